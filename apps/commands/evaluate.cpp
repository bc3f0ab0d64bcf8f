#include "apps/caption_engine.h"
#include "apps/commands/commands.h"
#include "apps/evaluate/evaluate_captions.h"

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
  if (interrupted()) throw InputError("interrupted before all pictures were described; nothing was judged");
  return captions;
}

}  // namespace

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

}  // namespace limn
