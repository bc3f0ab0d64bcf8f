#include "apps/commands/commands.h"

namespace limn {

namespace {

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

}  // namespace

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

}  // namespace limn
