#include "core/ops.h"
#include "fusion/model.h"
#include "tests/goldens/kinds.h"

namespace limn::golden {

namespace {

Model& opened(GoldenCase& current) {
  return current.folder.keep<Model>([&] {
    const std::filesystem::path folder = current.folder.model_folder();
    if (!std::filesystem::exists(folder / "config.json"))
      throw NotRun("no family opens a folder without config.json yet");
    if (!find_family(Json::read(folder / "config.json"))) throw NotRun("no family opens this model yet");
    return open_model(folder);
  });
}

template <typename Capability>
Capability& needed(std::optional<Capability>& capability, const char* what) {
  if (!capability) throw NotRun(std::string("the family has no ") + what + " yet");
  return *capability;
}

Tensor pictures(const Preprocess& preprocess, GoldenCase& current) {
  std::vector<std::string> names;
  if (current.has("image"))
    names.push_back(current.text("image"));
  else
    names = current.json.at("images").texts();
  std::vector<Tensor> all;
  for (const std::string& name : names) all.push_back(preprocess(read_image(current.folder.path() / name)));
  return at::stack(all);  // uint8 [B 3 H W]
}

GenerateOptions generate_options(const Json& options) {
  GenerateOptions o;
  for (const auto& [key, value] : options.is_null() ? Json::object().members() : options.members()) {
    if (key == "num_beams")
      o.beams = value.integer();
    else if (key == "num_return_sequences")
      o.returned = value.integer();
    else if (key == "max_length")
      o.max_length = value.integer();
    else if (key == "max_new_tokens")
      o.max_new_tokens = value.integer();
    else if (key == "min_length")
      o.min_length = value.integer();
    else if (key == "length_penalty")
      o.length_penalty = value.number();
    else if (key == "repetition_penalty")
      o.repetition_penalty = value.number();
    else if (key == "no_repeat_ngram_size")
      o.no_repeat_ngram = value.integer();
    else if (key == "early_stopping")
      o.early_stopping = value.is_text()   ? EarlyStopping::never
                         : value.boolean() ? EarlyStopping::yes
                                           : EarlyStopping::no;
    else if (key != "bad_words")
      throw NotRun("option " + key + " is not known");
  }
  return o;
}

}  // namespace

void run_vision(GoldenCase& current) {
  const PictureTower& tower = needed(opened(current).pictures, "picture tower");
  const at::NoGradGuard no_grad;
  const Tensor hidden = tower.hidden(tower.preprocess.normalise(pictures(tower.preprocess, current)));
  current.compare("hidden", hidden);
  if (current.has("pooled") && tower.pooled) current.compare("pooled", tower.pooled(hidden));
}

void run_logits(GoldenCase& current) {
  const Captioner& captioner = needed(opened(current).captioner, "captioner");
  const at::NoGradGuard no_grad;
  Tensor context;
  if (current.has("image"))
    context = captioner.encode(captioner.preprocess.normalise(pictures(captioner.preprocess, current)));
  const auto ids = current.json.at("ids").integers();
  const Tensor row = at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong).unsqueeze(0);
  current.compare("logits", captioner.decoder.logits(captioner.decoder(row, {.context = context})));
}

void run_caption(GoldenCase& current) {
  const Captioner& captioner = needed(opened(current).captioner, "captioner");
  CaptionRequest request{.prompt = current.json["prompt"].text(""),
                         .language = "",
                         .banned = {},
                         .generate = generate_options(current.json["options"])};
  if (const Json words = current.json["options"]["bad_words"]) request.banned = words.texts();
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::string> texts;
  std::vector<double> scores;
  for (const auto& captions : captioner(pictures(captioner.preprocess, current), request))
    for (const Caption& caption : captions) {
      ids.push_back(caption.ids);
      texts.push_back(caption.text);
      scores.push_back(caption.sequence_score);
    }
  const std::vector<Json> expected = current.json.at("ids").items();
  if (expected.size() != ids.size())
    current.fail("ids: got " + std::to_string(ids.size()) + " sequences, expected " + std::to_string(expected.size()));
  for (std::size_t i = 0; i < ids.size() && i < expected.size(); ++i)
    current.equal("ids", ids[i], expected[i].integers());
  current.equal("text", texts, current.json.at("text").texts());
  if (!current.has("sequence_scores")) return;
  const std::vector<double> wanted = current.json["sequence_scores"].numbers();
  for (std::size_t i = 0; i < scores.size() && i < wanted.size(); ++i)
    current.compare("sequence_scores", scores[i], wanted[i]);
}

}  // namespace limn::golden
