#include "apps/match.h"

#include "apps/commands/commands.h"

namespace limn {

namespace {

void add_text_options(CLI::App& command, TextOptions& texts) {
  const Group group{command, "Texts"};
  group.option("--text", texts.texts, "TEXT", "a text; repeat for more")->allow_extra_args(false);
  group.option("--texts", texts.file, "FILE", "texts from this file, one a line; - is standard input");
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
      "  limn match photo.jpg --text \"a dog\" --text \"a cat\"\n"
      "  limn match photos/*.jpg --texts captions.txt --json --model Salesforce/blip-itm-base-coco\n"
      "\nText: path (unless there is one picture), probability of a match, similarity, text; - for what the model\n"
      "does not have.");
  command->callback(
      [options, &action] { action = [options] { return match(*options, std::cin, std::cout, std::cerr); }; });
}

void add_classify(CLI::App& app, Action& action) {
  auto options = std::make_shared<ClassifyOptions>();
  CLI::App* command = app.add_subcommand("classify", "Tell which of some labels a picture shows");
  add_input_options(*command, options->inputs);
  const Group group{*command, "Labels"};
  group.option("--labels", options->labels, "LABELS", "A,B,C or a file with one a line; repeat for more")
      ->allow_extra_args(false);
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
  command->callback(
      [options, &action] { action = [options] { return classify(*options, std::cin, std::cout, std::cerr); }; });
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
    action = [options, existing] {
      options->existing = parse_existing(*existing);
      return embed(*options, std::cin, std::cout, std::cerr);
    };
  });
}

}  // namespace limn
