#include "apps/match.h"

#include <algorithm>
#include <filesystem>

#include "apps/commands/commands.h"
#include "core/tar_archive.h"

namespace limn {

namespace {

void add_text_options(CLI::App& command, TextOptions& texts) {
  const Group group{command, "Texts"};
  group.option("--text", texts.texts, "TEXT…", "texts; names of picture files among them are pictures");
  group.option("--texts", texts.file, "FILE", "texts from this file, one a line; - is standard input");
}

// An option of several words takes the pictures behind them, too; they go where they belong: names of picture files,
// and folders where no picture is named otherwise.
void give_back_pictures(std::vector<std::string>& words, InputOptions& inputs) {
  const bool none = inputs.paths.empty() && inputs.files_from.empty();
  const auto pictures = std::stable_partition(words.begin(), words.end(), [&](const std::string& word) {
    return !has_picture_extension(word) && !has_archive_extension(word) &&
           !(none && std::filesystem::is_directory(word));
  });
  inputs.paths.insert(inputs.paths.end(), pictures, words.end());
  words.erase(pictures, words.end());
}

}  // namespace

void add_match(CLI::App& app, Action& action) {
  auto options = std::make_shared<MatchOptions>();
  CLI::App* command = app.add_subcommand("match", "Tell how well texts fit pictures");
  add_input_options(*command, options->inputs);
  add_text_options(*command, options->texts);
  Group{*command, "Results"}.flag("--json", options->json, "one JSON object per picture and text");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn match photo.jpg --text \"a dog\" \"a cat\"\n"
      "  limn match photos/*.jpg --texts captions.txt --json --model Salesforce/blip-itm-base-coco\n"
      "\nText: path (unless there is one picture), probability of a match, similarity, text; - for what the model\n"
      "does not have.");
  command->callback([options, &action] {
    give_back_pictures(options->texts.texts, options->inputs);
    action = [options] { return match(*options, std::cin, std::cout, std::cerr); };
  });
}

void add_classify(CLI::App& app, Action& action) {
  auto options = std::make_shared<ClassifyOptions>();
  CLI::App* command = app.add_subcommand("classify", "Tell which of some labels a picture shows");
  add_input_options(*command, options->inputs);
  const Group group{*command, "Labels"};
  group.option("--labels", options->labels, "LABELS…", "each A,B,C or a file with one a line");
  group
      .option("--template,--templates", options->templates, "TEXT",
              "what is said of a label, {} in its place, or a file with one a line; several are averaged (default: a "
              "photo of {})")
      ->allow_extra_args(false);
  const Group results{*command, "Results"};
  results
      .option("--top", options->top, "N", "labels per picture (default: all; the best where there are many pictures)")
      ->check(CLI::PositiveNumber);
  results.flag("--json", options->json, "one JSON object a line");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn classify photo.jpg --labels cat,dog,horse --model openai/clip-vit-base-patch32\n"
      "  limn classify -r photos --labels labels.txt --template \"a photo of a {}\" --template \"a drawing of a {}\"");
  command->callback([options, &action] {
    give_back_pictures(options->labels, options->inputs);
    action = [options] { return classify(*options, std::cin, std::cout, std::cerr); };
  });
}

void add_ask(CLI::App& app, Action& action) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command = app.add_subcommand("ask", "Answer a question about pictures");
  add_input_options(*command, options->inputs);
  command->get_option("inputs")->description("picture files, folders or globs; the last word is the question");
  const Group group{*command, "Answer"};
  group.option("--question", options->question, "TEXT", "the question; all other words are then pictures");
  group.option("--beams", options->beams, "N", "hypotheses kept by the search; 1: greedy (default: the model's)")
      ->check(CLI::PositiveNumber);
  group.option("--max-length", options->max_length, "N", "at most so many tokens (default: the model's)")
      ->check(CLI::PositiveNumber);
  const Group results{*command, "Results"};
  results.flag("--scores", options->scores, "the mean log-probability of its tokens behind each answer");
  results.flag("--json", options->json, "one JSON object a line");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn ask photo.jpg \"how many dogs are there?\" --model Salesforce/blip-vqa-base\n"
      "  limn ask -r photos --question \"what season is it?\" --json --model Salesforce/blip-vqa-base");
  command->callback([options, command, &action] {
    if (command->count("--question") == 0 && !options->inputs.paths.empty()) {
      options->question = options->inputs.paths.back();
      options->inputs.paths.pop_back();
    }
    action = [options] { return ask(*options, std::cin, std::cout, std::cerr); };
  });
}

void add_embed(CLI::App& app, Action& action) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* command = app.add_subcommand("embed", "Write pictures or texts as vectors");
  add_input_options(*command, options->inputs);
  add_text_options(*command, options->texts);
  const Group group{*command, "Results"};
  group.option("-o,--out", options->out, "NAME", "writes NAME.npy (float32 rows) and NAME.jsonl (what each is of)")
      ->required();
  group.flag("--raw", options->raw, "as the model gives them (default: of length one)");
  auto existing = std::make_shared<std::string>("error");
  group.setting("--existing", *existing, "WORD", "files that exist: error or overwrite");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn embed -r photos -o photos --model openai/clip-vit-base-patch32\n"
      "  limn embed --texts sentences.txt -o sentences --model sentence-transformers/all-MiniLM-L6-v2");
  command->callback([options, existing, &action] {
    give_back_pictures(options->texts.texts, options->inputs);
    action = [options, existing] {
      options->existing = parse_existing(*existing);
      return embed(*options, std::cin, std::cout, std::cerr);
    };
  });
}

}  // namespace limn
