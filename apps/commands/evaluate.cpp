#include "apps/caption_engine.h"
#include "apps/commands/commands.h"
#include "apps/evaluate/evaluate_captions.h"
#include "apps/evaluate/evaluate_clip.h"
#include "apps/evaluate/evaluate_retrieval.h"
#include "apps/evaluate/evaluate_stylize.h"
#include "apps/evaluate/evaluate_stylize_text.h"

namespace limn {

namespace {

// Captions for pictures by a model, for evaluation: a picture that cannot be read is an error.
std::vector<std::string> captions_of(const std::vector<std::filesystem::path>& pictures, const CommonOptions& common,
                                     const CaptionSearch& search) {
  const CaptionEngine engine = open_caption_engine(common, true);
  std::vector<std::string> captions(pictures.size());
  engine.describe(pictures, caption_request(search, engine), [&](std::size_t index, const Described& described) {
    if (described.captions.empty()) throw InputError(described.error);
    captions[index] = described.captions.front().text;
  });
  if (interrupted()) throw Interrupted("interrupted before all pictures were described; nothing was judged");
  return captions;
}

void add_stylizing(CLI::App& evaluate, Action& action) {
  auto options = std::make_shared<EvaluateStylizeOptions>();
  CLI::App* command =
      evaluate.add_subcommand("stylize", "a stylizer beside doing nothing, matched colours and published ones");
  const Group group{*command, "Judging"};
  group.option("--content", options->contents, "FILE…", "contents; each is painted in every style")->required();
  group.option("--style", options->styles, "FILE…", "styles, at least two")->required();
  group.option("--features", options->features, "FILE", "the measures' network: SqueezeNet 1.1 or VGG, as weights")
      ->required();
  group.option("--microast", options->microast, "FOLDER", "MicroAST's published files, as a row");
  group.option("--adain", options->adain, "FOLDER", "AdaIN's, likewise");
  group.option("--stytr2", options->stytr2, "FOLDER", "StyTr2's, likewise");
  group.setting("--side", options->side, "N", "pixels of the middle squares; measured at half of it")
      ->check(CLI::Range(128, 4096));
  group.option("--sheet", options->sheet, "FILE", "a picture of all pairs");
  group.flag("--json", options->json, "one JSON object");
  add_model_options(*command, options->common);
  command->get_option("--model")->description("a stylizer's folder, or a bundled name (default: limn-stylizer)");
  add_notes_options(*command, options->common);
  command->callback(
      [options, &action] { action = [options] { return evaluate_stylize(*options, std::cout, std::cerr); }; });
}

void add_clip(CLI::App& evaluate, Action& action) {
  auto options = std::make_shared<EvaluateClipOptions>();
  CLI::App* command =
      evaluate.add_subcommand("clip", "how steady a painted clip is: warp error, flicker, frames a second");
  const Group group{*command, "Judging"};
  group.option("clip", options->clip, "FILE", "a clip; or a photo, from which one of five seconds is made")->required();
  group.option("--style", options->style, "FILE", "a picture that shows how it is to be painted")->required();
  group.option("--frames", options->frames, "N", "only the first N frames")->check(CLI::PositiveNumber);
  group.flag("--json", options->json, "one JSON object");
  add_model_options(*command, options->common);
  command->get_option("--model")->description("a stylizer's folder, or a bundled name (default: limn-stylizer)");
  add_notes_options(*command, options->common);
  command->callback(
      [options, &action] { action = [options] { return evaluate_clip(*options, std::cout, std::cerr); }; });
}

void add_stylizing_by_text(CLI::App& evaluate, Action& action) {
  auto options = std::make_shared<EvaluateStylizeTextOptions>();
  CLI::App* command =
      evaluate.add_subcommand("stylize-text", "whether pictures painted after words look like these words");
  const Group group{*command, "Judging"};
  group.option("--content", options->contents, "FILE…", "contents; each is painted after every text")->required();
  group.option("--texts", options->texts, "FILE", "styles in words, one a line; blank lines part groups")->required();
  group.option("--words", options->words, "FILE",
               "what colours are called, e.g. recipes/style-words.txt: are they met?");
  group.option("--judge", options->judge, "MODEL",
               "the dual encoder that judges (default: the one that the stylizer reads words with)");
  group.setting("--side", options->side, "N", "pixels of the middle squares")->check(CLI::Range(64, 4096));
  group.option("--sheet", options->sheet, "FILE", "a picture of everything");
  group.flag("--json", options->json, "one JSON object");
  add_model_options(*command, options->common);
  command->get_option("--model")->description("a stylizer's folder, or a bundled name (default: limn-stylizer)");
  add_notes_options(*command, options->common);
  command->callback(
      [options, &action] { action = [options] { return evaluate_stylize_text(*options, std::cout, std::cerr); }; });
}

void add_retrieval(CLI::App& evaluate, Action& action) {
  auto options = std::make_shared<EvaluateRetrievalOptions>();
  CLI::App* command = evaluate.add_subcommand("retrieval", "R@1, R@5, R@10 of pictures by texts and texts by pictures");
  command
      ->add_option("data", options->data,
                   "pictures with captions: JSON lines, COCO annotations, or a folder with .txt files")
      ->type_name("FILE");
  const Group group{*command, "Judging"};
  group.setting("-l,--lang", options->language, "LANG", "language of the captions");
  group.option("--images", options->images, "FOLDER", "where relative picture names start from");
  group.option("--limit", options->limit, "N", "only the first N pictures")->check(CLI::PositiveNumber);
  group.option("--rerank", options->rerank, "N", "the matching head reorders the first N of each list")
      ->check(CLI::PositiveNumber);
  group.option("--scores", options->scores, "FILE",
               "instead of a model: safetensors with similarity [I T], and second_image_to_text [I N] and "
               "second_text_to_image [T N] for a second stage");
  group.option("--relevant", options->relevant, "FILE", "with --scores: JSON, for each picture the list of its texts");
  group.flag("--json", options->json, "one JSON object");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->callback(
      [options, &action] { action = [options] { return evaluate_retrieval(*options, std::cout, std::cerr); }; });
}

void add_zero_shot(CLI::App& evaluate, Action& action) {
  auto options = std::make_shared<EvaluateClassifyOptions>();
  CLI::App* command = evaluate.add_subcommand("classify", "Top-1, top-5 and mean per-class recall of labels");
  command
      ->add_option("data", options->data,
                   "labelled pictures: .csv of picture,label; JSON lines {\"image\", \"label\"}; a folder per label")
      ->type_name("FILE");
  const Group group{*command, "Judging"};
  group.option("--labels", options->labels, "LABELS", "A,B,C or a file with one a line (default: the data's)")
      ->allow_extra_args(false);
  group.option("--template,--templates", options->templates, "TEXT", "as in limn classify (default: a photo of {})")
      ->allow_extra_args(false);
  group.option("--images", options->images, "FOLDER", "where relative picture names start from");
  group.option("--limit", options->limit, "N", "only the first N pictures")->check(CLI::PositiveNumber);
  group.option("--scores", options->scores, "FILE", "instead of a model: safetensors with logits [B C]");
  group.option("--truth", options->truth, "FILE", "with --scores: JSON, the right class of each row");
  group.flag("--json", options->json, "one JSON object");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->callback(
      [options, &action] { action = [options] { return evaluate_classify(*options, std::cout, std::cerr); }; });
}

}  // namespace

void add_evaluate(CLI::App& app, Action& action) {
  CLI::App* evaluate = app.add_subcommand("evaluate", "Measure models and results");
  add_retrieval(*evaluate, action);
  add_stylizing(*evaluate, action);
  add_clip(*evaluate, action);
  add_stylizing_by_text(*evaluate, action);
  add_zero_shot(*evaluate, action);
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

}  // namespace limn
