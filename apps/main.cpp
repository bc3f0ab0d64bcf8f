#include <torch/version.h>

#include "apps/commands/commands.h"

// The command line: apps/commands/ fills plain option structs by parsing; the work is in the commands' own files and
// begins after parsing has succeeded.

namespace {

using namespace limn;

/// CLI11's help with less noise: the value's name only, defaults in words, no double blank lines.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_size() == 0 ? "" : option->get_type_name();
    return type.empty() ? "" : " " + type.substr(0, type.find(':'));  // behind the colon: the checks
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string otherwise = option->get_default_str();
    return option->get_description() + (otherwise.empty() ? "" : " (default: " + otherwise + ")");
  }
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string text = CLI::Formatter::make_help(app, name, mode);
    for (std::size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
    return text + (text.empty() || text.back() == '\n' ? "" : "\n");
  }
};

/// The words as CLI11 wants them. `limn help caption` means `limn caption --help`; `--sidecar` may stand without its
/// ending: then the next word is an input, not an ending.
std::vector<std::string> arguments(int argc, char* argv[]) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i] != "--sidecar") continue;
    const std::string next = i + 1 < words.size() ? words[i + 1] : "";
    const bool ending = next.size() > 1 && next[0] == '.' && next.find_first_of("./", 1) == std::string::npos;
    if (!ending) words[i] = "--sidecar=.txt";
  }
  std::reverse(words.begin(), words.end());
  return words;
}

/// One sentence about a command line that cannot be understood.
std::string complaint(const CLI::App& app, const CLI::ParseError& error, int argc, char* argv[]) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty() && argc > 1 && argv[1][0] != '-') {
    const std::string word = argv[1];
    const bool picture = std::filesystem::exists(word);
    return "unknown command \"" + word + "\"" +
           (picture ? "; did you mean: limn caption " + word + "?" : "; see limn --help");
  }
  std::string name = "limn";
  for (const CLI::App* at = &app; !at->get_subcommands().empty();)
    name += " " + (at = at->get_subcommands()[0])->get_name();
  std::string text = error.what();
  const auto replace = [&text](const std::string& from, const std::string& to) {
    if (text.rfind(from, 0) == 0) text = to + text.substr(from.size());
  };
  replace("Could not convert: ", "cannot be understood: ");
  replace("The following argument was not expected: ", "not expected: ");
  replace("The following arguments were not expected: ", "not expected: ");
  return text + "; see " + name + " --help";
}

}  // namespace

int main(int argc, char* argv[]) {
  prepare_process();
  CLI::App app("Limn describes pictures, and trains and measures the models that do.", "limn");
  Action action;
  app.set_version_flag("--version", "limn " LIMN_VERSION " (LibTorch " TORCH_VERSION ")");
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(30);
  app.failure_message([](const CLI::App*, const CLI::Error&) { return std::string(); });
  app.footer(
      "Examples:\n  limn caption photo.jpg\n  limn caption --help\n\nExit codes: 0 all done, 1 some inputs failed, 2 "
      "usage, 3 model or data cannot be used,\n"
      "4 cannot write, 130 interrupted.");
  add_caption(app, action);
  add_match(app, action);
  add_classify(app, action);
  add_ask(app, action);
  add_embed(app, action);
  add_index(app, action);
  add_search(app, action);
  add_dedupe(app, action);
  add_stylize(app, action);
  add_serve(app, action);
  add_evaluate(app, action);
  add_train(app, action);
  add_models(app, action);
  add_tokenizer(app, action);
  add_doctor(app, action);
  return guarded(
      [&] {
        try {
          app.parse(arguments(argc, argv));
        } catch (const CLI::CallForVersion& version) {
          std::cout << version.what() << '\n';
          return flush_results(std::cout), int{exit_done};
        } catch (const CLI::Success& help) {
          app.exit(help, std::cout, std::cerr);
          return flush_results(std::cout), int{exit_done};
        } catch (const CLI::ParseError& error) {
          throw UsageError(complaint(app, error, argc, argv));
        }
        if (!action) {
          std::cout << app.help();
          return flush_results(std::cout), int{exit_done};
        }
        return action();
      },
      std::cerr);
}
