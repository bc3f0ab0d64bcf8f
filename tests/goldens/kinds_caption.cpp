#include "core/ops.h"
#include "tests/goldens/kinds.h"
#include "tests/goldens/model_cases.h"

namespace limn::golden {

void run_vision(GoldenCase& current) {
  const PictureTower& tower = needed(opened(current).pictures, "picture tower");
  const at::NoGradGuard no_grad;
  const Tensor pixels = tower.preprocess.normalise(pictures(tower.preprocess, current));
  const Tensor hidden = tower.hidden(pixels);
  current.compare("hidden", hidden);
  if (current.has("hidden_before_norm"))
    current.compare("hidden_before_norm", tower.before_norm ? tower.before_norm(pixels) : Tensor());
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
  compare_sequences(current, captioner(pictures(captioner.preprocess, current), request));
}

}  // namespace limn::golden
