#include <algorithm>

#include "apps/caption_engine.h"
#include "core/ops.h"

namespace limn {

namespace {

std::string number_text(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

[[noreturn]] void refuse(const char* option, const std::string& got, const char* expected) {
  throw UsageError(std::string(option) + ": got " + got + ", expected " + expected);
}

void at_least(const char* option, std::int64_t value, std::int64_t least) {
  if (value < least) refuse(option, std::to_string(value), ("at least " + std::to_string(least)).c_str());
}

void check_ranges(const CaptionSearch& search) {
  at_least("--beams", search.beams.value_or(1), 1);
  at_least("--nbest", search.nbest, 1);
  at_least("--min-length", search.min_length.value_or(0), 0);
  at_least("--max-length", search.max_length.value_or(1), 1);
  at_least("--no-repeat-ngram", search.no_repeat_ngram.value_or(0), 0);
  at_least("--top-k", search.top_k, 0);
  if (search.min_length && search.max_length && *search.min_length > *search.max_length)
    throw UsageError("--min-length " + std::to_string(*search.min_length) + " is above --max-length " +
                     std::to_string(*search.max_length));
  if (!(search.temperature > 0)) refuse("--temperature", number_text(search.temperature), "a number above 0");
  if (!(search.top_p > 0 && search.top_p <= 1))
    refuse("--top-p", number_text(search.top_p), "a share above 0, at most 1");
  if (search.repetition_penalty && !(*search.repetition_penalty > 0))
    refuse("--repetition-penalty", number_text(*search.repetition_penalty), "a number above 0");
  const bool sampling_words = search.temperature != 1 || search.top_k != 0 || search.top_p != 1;
  if (sampling_words && !search.sample)
    throw UsageError("--temperature, --top-k and --top-p choose among random words; add --sample");
  if (search.sample && search.beams.value_or(1) > 1)
    throw UsageError("--sample draws words at random, --beams searches; choose one");
  if (search.beams && !search.sample && search.nbest > *search.beams)
    throw UsageError("--nbest " + std::to_string(search.nbest) + " needs as many --beams, or --sample");
}

EarlyStopping parse_early_stopping(const std::string& word) {
  if (word == "yes") return EarlyStopping::yes;
  if (word == "no") return EarlyStopping::no;
  if (word == "never") return EarlyStopping::never;
  refuse("--early-stopping", "\"" + word + "\"", "yes, no or never");
}

void check_language(const std::string& language, const CaptionEngine& engine) {
  if (language.empty()) return;
  std::vector<std::string> known = engine.languages;
  if (known.empty()) known.push_back("en");
  if (std::find(known.begin(), known.end(), language) != known.end()) return;
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  throw UsageError("--lang: got \"" + language + "\", but " + engine.name + " writes: " + list);
}

}  // namespace

CaptionRequest caption_request(const CaptionSearch& search, const CaptionEngine& engine) {
  check_ranges(search);
  check_language(search.language, engine);
  CaptionRequest request{search.prompt, engine.languages.empty() ? "" : search.language, search.banned,
                         engine.defaults};
  GenerateOptions& generate = request.generate;
  if (search.sample) generate.beams = 1;
  if (search.beams) generate.beams = *search.beams;
  if (!search.sample && search.nbest > generate.beams) generate.beams = search.nbest;
  generate.returned = search.nbest;
  if (search.max_length) {
    generate.max_new_tokens = *search.max_length;
    generate.max_length = 0;
  }
  if (search.min_length)  // the library counts begin and prompt
    generate.min_length =
        *search.min_length + static_cast<std::int64_t>(engine.begin(request.prompt, request.language).size());
  if (search.length_penalty) generate.length_penalty = *search.length_penalty;
  if (search.repetition_penalty) generate.repetition_penalty = *search.repetition_penalty;
  if (search.no_repeat_ngram) generate.no_repeat_ngram = *search.no_repeat_ngram;
  if (search.early_stopping) generate.early_stopping = parse_early_stopping(*search.early_stopping);
  generate.sample = search.sample;
  generate.temperature = search.temperature;
  generate.top_k = search.top_k;
  generate.top_p = search.top_p;
  generate.seed = search.seed;
  generate.stop = interrupted;
  return request;
}

}  // namespace limn
