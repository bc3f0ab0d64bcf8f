#include <torch/version.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>

#include "apps/caption.h"
#include "apps/caption_engine.h"
#include "apps/doctor.h"
#include "apps/evaluate/evaluate_captions.h"
#include "apps/models.h"
#include "apps/run.h"
#include "apps/tokenizer_train.h"
#include "apps/train/train.h"

// The command line: every option of every command. Parsing fills plain option structs; the work is in the commands'
// own files and begins after parsing has succeeded.

namespace {

using namespace limn;

/// What the parsed command will do.
using Action = std::function<int()>;

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

/// The options of one heading in the help.
struct Group {
  CLI::App& command;
  const char* name;
  template <typename Value>
  CLI::Option* option(const char* names, Value& value, const char* type, const char* help) const {
    return command.add_option(names, value, help)->type_name(type)->group(name);
  }
  /// The same, its present value named as the default.
  template <typename Value>
  CLI::Option* setting(const char* names, Value& value, const char* type, const char* help) const {
    return option(names, value, type, help)->capture_default_str();
  }
  CLI::Option* flag(const char* names, bool& value, const char* help) const {
    return command.add_flag(names, value, help)->group(name);
  }
};

void add_doctor(CLI::App& app, Action& action) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "Measure this machine: versions, BLAS, speed, devices; with advice");
  const Group group{*command, "Measuring"};
  group.option("-t,--threads", options->threads, "N", "threads that compute (default: the number of cores)")
      ->check(CLI::Range(1, 4096));
  group.setting("--seconds", options->seconds, "S", "measuring time per figure")->check(CLI::Range(0.0, 60.0));
  group.flag("--json", options->json, "one JSON object");
  command->callback([=, &action] { action = [=] { return doctor(*options, std::cout); }; });
}

void add_notes_options(CLI::App& command, CommonOptions& common) {
  const Group group{command, "General"};
  group.flag("-q,--quiet", common.quiet, "no notes and no progress on standard error, errors only");
  group.flag("-v,--verbose", common.verbose, "tell more on standard error");
  command
      .add_flag_callback(
          "--no-progress", [&common] { common.progress = false; }, "no progress bar (there is none without a terminal)")
      ->group(group.name);
}

void add_model_options(CLI::App& command, CommonOptions& common) {
  const Group group{command, "Model"};
  group.option("-m,--model", common.model, "MODEL",
               "a folder, org/name in the hub cache, or a bundled name (default: limn-small)");
  group.setting("--device", common.device, "DEVICE", "auto, cpu, cuda or cuda:N");
  group.setting("--dtype", common.dtype, "TYPE", "auto, fp32, bf16, fp16 or int8; auto: bf16 on CUDA, else fp32");
  const CLI::Range count(1, 4096);
  group.option("-b,--batch", common.batch, "N", "pictures at a time (default: 8 on the CPU, 32 on CUDA)")->check(count);
  group.option("-t,--threads", common.threads, "N", "threads that compute (default: the number of cores)")
      ->check(count);
  group.option("--workers", common.workers, "N", "threads that decode pictures (default: by the number of cores)")
      ->check(count);
}

void add_input_options(CLI::App& command, InputOptions& inputs) {
  command.add_option("inputs", inputs.paths, "picture files, folders, or globs in quotes ('photos/**/*.jpg')")
      ->type_name("");
  const Group group{command, "Inputs"};
  group.option("--files-from", inputs.files_from, "FILE", "read paths from this file, one a line; - is standard input");
  group.flag("-0,--null", inputs.zero_separated, "that list is separated by NUL (find -print0)");
  group.flag("-r,--recursive", inputs.recursive, "look into subfolders too");
  command
      .add_flag_callback(
          "--ignore-orientation", [&inputs] { inputs.orient = false; }, "do not turn pictures upright as EXIF says")
      ->group(group.name);
}

void add_search_options(CLI::App& command, CaptionSearch& search) {
  const Group group{command, "Words"};
  group.option("-p,--prompt", search.prompt, "TEXT", "words that the caption begins with, e.g. \"a photo of\"");
  group.option("-l,--lang", search.language, "LANG", "language of the caption: en or zh, where the model has it");
  group.option("--beams", search.beams, "N", "hypotheses kept by the search; 1: greedy (default: the model's)");
  group.setting("-n,--nbest", search.nbest, "N", "captions per picture, best first");
  group.option("--min-length", search.min_length, "N", "at least so many new tokens (prompt and end not counted)");
  group.option("--max-length", search.max_length, "N",
               "at most so many new tokens (prompt not counted, the end counted)");
  group.option("--length-penalty", search.length_penalty, "X",
               "beams: the larger, the longer the captions (default: the model's)");
  group.option("--repetition-penalty", search.repetition_penalty, "X", "above 1: words used before become less likely");
  group.option("--no-repeat-ngram", search.no_repeat_ngram, "N", "no run of N tokens occurs twice");
  group.option("--early-stopping", search.early_stopping, "WORD", "beams: yes, no or never (default: the model's)");
  group.option("--ban", search.banned, "WORD", "a word that must not appear; repeat for more")->allow_extra_args(false);
  group.flag("--sample", search.sample, "draw words at random instead of searching");
  group.setting("--temperature", search.temperature, "X", "sampling: below 1 safer, above 1 bolder");
  group.setting("--top-k", search.top_k, "N", "sampling: only the N likeliest words; 0: off");
  group.setting("--top-p", search.top_p, "X", "sampling: only the likeliest words that make up this share");
  group.setting("--seed", search.seed, "N", "sampling: same seed, same captions");
}

/// Flags and words of the result formats, as typed.
struct OutputWords {
  bool json = false, csv = false, html = false;
  std::string sidecar, existing = "error";
};

void add_output_options(CLI::App& command, CaptionOptions& options, OutputWords& words) {
  const Group group{command, "Results"};
  CLI::Option* json = group.flag("--json", words.json, "one JSON object a line");
  CLI::Option* csv = group.flag("--csv", words.csv, "comma-separated values with a header")->excludes(json);
  group.flag("--html", words.html, "one <img src alt> a line, as sentences")->excludes(json)->excludes(csv);
  group.flag("--scores", options.format.scores, "the mean log-probability of its tokens behind each caption");
  group.option("--min-score", options.format.min_score, "X", "withhold captions with a lower score, e.g. -1.5");
  group.flag("--sentence", options.format.sentence, "begin with a capital letter, end with a full stop");
  group.option("--prefix", options.format.prefix, "TEXT", "text before every caption");
  group.option("--suffix", options.format.suffix, "TEXT", "text behind every caption");
  group.option("-o,--out", options.out, "FILE", "results go to this file instead of standard output");
  group.flag("--resume", options.resume, "with --json --out: go on where that file ends");
  group
      .option("--sidecar", words.sidecar, "[ENDING]",
              "also a text file beside each picture, photo.txt for photo.jpg (default: .txt)")
      ->expected(0, 1)
      ->default_str("");
  group.setting("--existing", words.existing, "WORD",
                "sidecars and files that exist: error, skip, overwrite, append or prepend");
  group.option("--separator", options.sidecar.separator, "TEXT",
               "between old and new text when appending (default: comma and space)");
  group.option("--coco-results", options.coco_results, "FILE", "also write the COCO result format, for evaluation");
  group.option("--sheet", options.sheet, "FILE", "also draw the pictures with their captions into this PNG");
  group.flag("--stream", options.stream, "print the words as they are chosen; one picture, one beam");
}

CaptionStyle style_of(const OutputWords& words) {
  return words.json   ? CaptionStyle::json
         : words.csv  ? CaptionStyle::csv
         : words.html ? CaptionStyle::html
                      : CaptionStyle::text;
}

void add_caption(CLI::App& app, Action& action) {
  auto options = std::make_shared<CaptionOptions>();
  auto words = std::make_shared<OutputWords>();
  CLI::App* command = app.add_subcommand("caption", "Describe pictures in a sentence each");
  add_input_options(*command, options->inputs);
  add_search_options(*command, options->search);
  add_output_options(*command, *options, *words);
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn caption photo.jpg                                  one sentence\n"
      "  limn caption photo.jpg --lang zh --nbest 3 --scores     three in Chinese, with scores\n"
      "  limn caption -r photos --sidecar --existing skip        photo.txt beside each photo; run again to go on\n"
      "  limn caption -r photos --json -o captions.jsonl --resume\n"
      "  limn caption --html photos/*.jpg                        <img> tags with alternative texts\n"
      "  find . -name '*.png' -print0 | limn caption --files-from - -0\n"
      "\nText: the caption alone for one picture, else path, tab, caption. Pictures that cannot be read are named on\n"
      "standard error (with --json and --csv in the results) and make the exit code 1.");
  command->callback([options, words, command, &action] {
    options->format.style = style_of(*words);
    if (options->format.style == CaptionStyle::html) options->format.sentence = true;
    if (command->count("--sidecar") > 0) options->sidecar.extension = words->sidecar;
    action = [options, words] {
      options->sidecar.existing = parse_existing(words->existing);
      return caption(*options, std::cin, std::cout, std::cerr);
    };
  });
}

void add_models(CLI::App& app, Action& action) {
  auto options = std::make_shared<ModelsOptions>();
  CLI::App* command = app.add_subcommand("models", "List the models that are here, or show one");
  command->add_flag("--json", options->json, "one JSON object a line");
  command->footer(
      "Examples:\n  limn models\n  limn models info limn-small\n  limn models info "
      "Salesforce/blip-image-captioning-base --json");
  CLI::App* info = command->add_subcommand("info", "Show a model: family, abilities, size, languages, files");
  info->add_option("model", options->model,
                   "model folder, org/name in the hub cache, or a bundled name (default: limn-small)");
  info->add_flag("--json", options->json, "as one JSON object");
  command->callback([options, info, &action] {
    const bool one = info->parsed();
    action = [options, one] { return one ? show_model(*options, std::cout) : list_models(*options, std::cout); };
  });
}

void add_train(CLI::App& app, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  auto fresh = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("train", "Train the house model as a TOML file says; run again to go on");
  command->add_option("config", options->config, "TOML file of the run")->required()->type_name("FILE");
  const Group group{*command, "Run"};
  group.option("-t,--threads", options->threads, "N", "threads that compute; the same number repeats a run exactly")
      ->check(CLI::Range(1, 4096));
  group.option("--stop-after", options->stop_after, "N", "end after N steps of this call, with a checkpoint")
      ->check(CLI::PositiveNumber);
  group.flag("--restart", *fresh, "begin anew, even where the run folder has a checkpoint");
  command->footer(
      "Examples:\n  limn train models/limn-small/recipe/caption.toml\nCtrl-C writes a checkpoint and ends.");
  command->callback([=, &action] {
    action = [=] {
      options->resume = !*fresh;
      options->stop = interrupted;
      return train(*options, std::cout, std::cerr);
    };
  });
}

// Captions for pictures by a model, for evaluation: a picture that cannot be read is an error.
std::vector<std::string> captions_of(const std::vector<std::filesystem::path>& pictures, const CommonOptions& common,
                                     const CaptionSearch& search) {
  const CaptionEngine engine = open_caption_engine(common, true);
  std::vector<std::string> captions(pictures.size());
  engine.describe(pictures, caption_request(search, engine), [&](std::size_t index, const Described& described) {
    if (described.captions.empty()) throw InputError(described.error);
    captions[index] = described.captions.front().text;
  });
  if (interrupted()) throw InputError("interrupted before all pictures were described; nothing was judged");
  return captions;
}

void add_evaluate(CLI::App& app, Action& action) {
  CLI::App* evaluate = app.add_subcommand("evaluate", "Measure models and results");
  evaluate->require_subcommand(1);
  auto options = std::make_shared<EvaluateCaptionsOptions>();
  auto common = std::make_shared<CommonOptions>();
  auto search = std::make_shared<CaptionSearch>();
  CLI::App* command = evaluate->add_subcommand("captions", "CIDEr-D, BLEU and ROUGE-L of captions against people's");
  command
      ->add_option("references", options->references,
                   "captions by people: JSON lines, COCO annotations, or a folder with .txt files")
      ->required()
      ->type_name("FILE");
  const Group group{*command, "Judging"};
  group.option("--candidates", options->candidates, "FILE",
               "captions to judge, JSON lines or COCO results; else the model writes them");
  group.option("--images", options->images, "FOLDER", "where relative picture names start from");
  group.option("--limit", options->limit, "N", "only the first N pictures");
  group.flag("--partial", options->partial, "judge the pictures that have both");
  group.flag("--constant", options->constant, "also the best single sentence for all pictures");
  group.flag("--json", options->json, "one JSON object");
  group.option("--per-picture", options->per_picture, "FILE", "each picture's caption and figures as JSON lines");
  group.option("--save", options->save, "FILE", "the judged captions as JSON lines");
  add_search_options(*command, *search);
  add_model_options(*command, *common);
  command->callback([=, &action] {
    action = [=] {
      if (!search->language.empty()) options->language = search->language;
      if (options->candidates.empty())
        options->caption = [=](const auto& pictures) { return captions_of(pictures, *common, *search); };
      return evaluate_captions(*options, std::cout, std::cerr);
    };
  });
}

void add_tokenizer(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizerTrainOptions>();
  auto words = std::make_shared<std::string>("unigram");
  CLI::App* command = app.add_subcommand("tokenizer", "Make the vocabularies that models read and write with");
  command->require_subcommand(1);
  CLI::App* train = command->add_subcommand("train", "Train a SentencePiece vocabulary, for one language or several");
  train->add_option("inputs", options->inputs, "text files, a sentence a line, or caption JSON lines")
      ->type_name("")
      ->required();
  const Group group{*train, "Vocabulary"};
  group.option("-o,--out", options->out, "FOLDER", "where tokenizer.model and tokenizer_config.json are written")
      ->required();
  group.setting("--vocabulary", options->vocabulary, "N", "pieces at most");
  group.setting("--kind", *words, "KIND", "unigram or bpe");
  group.setting("--coverage", options->coverage, "X", "share of the running characters that become pieces");
  group
      .option("-l,--lang", options->languages, "LANG",
              "a language whose captions are taken; repeat for more (default: all)")
      ->allow_extra_args(false);
  group.flag("--lower", options->lower, "fold upper and lower case");
  train
      ->add_flag_callback(
          "--join-ideographs", [options] { options->cjk_chars = false; },
          "let pieces hold several ideographs (default: each is a piece of its own)")
      ->group(group.name);
  group.flag("--json", options->json, "report as one JSON object");
  train->footer("Example:\n  limn tokenizer train captions.jsonl --lang en --lang zh --vocabulary 4500 -o tokenizer");
  train->callback([options, words, &action] {
    action = [options, words] {
      if (*words != "unigram" && *words != "bpe")
        throw UsageError("--kind: got \"" + *words + "\", expected unigram or bpe");
      options->model = *words == "bpe" ? SentencePieceModel::bpe : SentencePieceModel::unigram;
      const int code = tokenizer_train(*options, std::cout);
      flush_results(std::cout);
      return code;
    };
  });
}

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
