#include "tests/goldens/model_cases.h"

#include "core/ops.h"

namespace limn::golden {

Model& opened(GoldenCase& current) {
  return current.folder.keep<Model>([&] {
    const std::filesystem::path folder = current.folder.model_folder();
    if (!find_family(folder).family) throw NotRun("no family opens this model yet");
    return open_model(folder);
  });
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

void compare_sequences(GoldenCase& current, const std::vector<std::vector<Caption>>& answers) {
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::string> texts;
  std::vector<double> scores;
  for (const auto& captions : answers)
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
