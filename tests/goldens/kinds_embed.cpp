#include "core/ops.h"
#include "tests/goldens/kinds.h"
#include "tests/goldens/model_cases.h"

namespace limn::golden {

namespace {

Tensor image_embedding(const Embedder& embedder, GoldenCase& current) {
  if (!embedder.image) throw NotRun("the model reads texts only");
  return embedder.image(embedder.preprocess.normalise(pictures(embedder.preprocess, current)));
}

void compare_embedding(GoldenCase& current, const Tensor& embedding) {
  current.compare("embedding", embedding);
  if (current.has("normalised")) current.compare("normalised", normalised(embedding));
}

}  // namespace

void run_embed_image(GoldenCase& current) {
  const at::NoGradGuard no_grad;
  compare_embedding(current, image_embedding(needed(opened(current).embedder, "embedder"), current));
}

void run_embed_text(GoldenCase& current) {
  const Embedder& embedder = needed(opened(current).embedder, "embedder");
  if (!embedder.text) throw NotRun("the model reads pictures only");
  const at::NoGradGuard no_grad;
  const std::string text = current.text("text");
  const std::vector<std::int64_t> ids = current.json.at("ids").integers();
  if (!current.has("ids_lowercased")) {
    current.equal("ids", embedder.ids(text), ids);
    return compare_embedding(current, embedder.text({text}));
  }
  // The reference's answer is to the text as it is written; the model wants it in lower case.
  current.equal("ids_lowercased", embedder.ids(text), current.json.at("ids_lowercased").integers());
  const auto cased = open_tokenizer(current.folder.model_folder())
                         .encode(text, {.max_length = embedder.longest, .pad_to = embedder.longest});
  current.equal("ids", cased, ids);
  compare_embedding(current, embedder.text_of_ids({ids}));
}

void run_similarity(GoldenCase& current) {
  const Embedder& embedder = needed(opened(current).embedder, "embedder");
  const at::NoGradGuard no_grad;
  const Tensor texts = embedder.text(current.json.at("texts").texts());
  current.compare("logits_per_image", similarity(embedder, image_embedding(embedder, current), texts));
}

void run_match(GoldenCase& current) {
  Model& model = opened(current);
  const Matcher& matcher = needed(model.matcher, "matcher");
  const at::NoGradGuard no_grad;
  const std::string text = current.text("text");
  current.equal("ids", matcher.ids(text), current.json.at("ids").integers());
  const Tensor tokens = matcher.tokens(pictures(matcher.preprocess, current));
  current.compare("itm", matcher.logits(tokens, {text}).squeeze(1));
  if (!current.has("itc")) return;
  const Embedder& embedder = needed(model.embedder, "embedder");
  const Tensor cosine = similarity(embedder, matcher.embedding(tokens), embedder.text({text}));
  current.compare("itc", cosine.reshape(current.tensor("itc").sizes()));
}

void run_answer(GoldenCase& current) {
  const Answerer& answerer = needed(opened(current).answerer, "answerer");
  const std::string question = current.text("question");
  if (current.has("question_ids"))
    current.equal("question_ids", answerer.ids(question), current.json["question_ids"].integers());
  const Tensor images = pictures(answerer.speaker.preprocess, current);
  GenerateOptions options = generate_options(current.json["options"]);
  if (const Json words = current.json["options"]["bad_words"])
    for (const std::string& word : words.texts())
      options.bad_words.push_back(answerer.speaker.tokenizer.encode(word, {.special = false}));
  compare_sequences(current, answerer(images, question, options));
}

}  // namespace limn::golden
