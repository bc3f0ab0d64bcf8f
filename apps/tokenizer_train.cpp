#include "apps/tokenizer_train.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <ostream>

#include "core/files.h"
#include "core/json.h"
#include "text/tokenizer.h"

namespace limn {

namespace {

constexpr const char* kAnyLanguage = "";  // plain text files, captions without a language

/// Sentences by language, in the order of the files.
using Corpus = std::map<std::string, std::vector<std::string>>;

void add_captions(const Json& captions, const std::string& language, Corpus& corpus) {
  if (captions.is_text()) corpus[language].push_back(captions.text());
  if (captions.is_array())
    for (const Json& item : captions.items()) add_captions(item, language, corpus);
  if (captions.is_object())
    for (const auto& [key, value] : captions.members()) add_captions(value, key, corpus);
}

void add_line(std::string_view line, const std::string& where, Corpus& corpus) {
  const Json record = Json::parse(line, where);
  bool found = false;
  for (const char* key : {"captions", "caption", "text"}) {
    found = found || record.has(key);
    add_captions(record[key], record["lang"].text(kAnyLanguage), corpus);
  }
  if (!found) record.fail("has neither \"captions\" nor \"caption\" nor \"text\"");
}

void read_corpus(const std::filesystem::path& file, Corpus& corpus) {
  const std::string text = read_file(file);
  const std::size_t start = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool records = start != std::string::npos && text[start] == '{';
  std::int64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++number;
    if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (records) {
      add_line(line, file.string() + ":" + std::to_string(number), corpus);
    } else {
      corpus[kAnyLanguage].emplace_back(line);
    }
  }
}

std::vector<std::string> languages_of(const Corpus& corpus, const TokenizerTrainOptions& options) {
  if (options.languages.empty()) {
    std::vector<std::string> found;
    for (const auto& [language, sentences] : corpus)
      if (language != kAnyLanguage) found.push_back(language);
    return found;
  }
  for (const std::string& language : options.languages)
    if (!corpus.count(language) && !corpus.count(kAnyLanguage))
      throw InputError("tokenizer train: language: got \"" + language + "\", of which the inputs have no caption");
  return options.languages;
}

Json configuration(const std::vector<std::string>& symbols) {
  return Json::object({{"tokenizer_class", "LimnTokenizer"},
                       {"bos_token", "<s>"},
                       {"eos_token", "</s>"},
                       {"pad_token", "<pad>"},
                       {"unk_token", "<unk>"},
                       {"additional_special_tokens", Json::list(symbols)},
                       {"add_bos_token", true},
                       {"add_eos_token", true},
                       {"drop_lone_prefix", true}});
}

Json measure(const Tokenizer& tokenizer, const std::vector<std::string>& sentences) {
  std::int64_t tokens = 0, unknown = 0;
  for (const std::string& sentence : sentences) {
    const auto ids = tokenizer.encode(sentence, {.special = false});
    tokens += static_cast<std::int64_t>(ids.size());
    unknown += std::count(ids.begin(), ids.end(), tokenizer.special.unknown);
  }
  const auto count = static_cast<std::int64_t>(sentences.size());
  return Json::object(
      {{"sentences", count},
       {"tokens_per_sentence", static_cast<double>(tokens) / static_cast<double>(std::max<std::int64_t>(count, 1))},
       {"unknown", static_cast<double>(unknown) / static_cast<double>(std::max<std::int64_t>(tokens, 1))}});
}

void report(const Json& result, std::ostream& out) {
  out << result["out"].text() << ": " << result["pieces"].integer() << " pieces\n" << std::fixed;
  for (const auto& [language, figures] : result["languages"].members())
    out << "  " << (language.empty() ? "text" : language) << ": " << figures["sentences"].integer() << " sentences, "
        << std::setprecision(2) << figures["tokens_per_sentence"].number() << " tokens a sentence, "
        << std::setprecision(3) << 100 * figures["unknown"].number() << " % unknown\n";
}

}  // namespace

int tokenizer_train(const TokenizerTrainOptions& options, std::ostream& out) {
  if (options.inputs.empty()) throw InputError("tokenizer train: got no input, expected text files or caption lines");
  if (options.out.empty()) throw InputError("tokenizer train: got no output folder");
  Corpus corpus;
  for (const auto& file : options.inputs) read_corpus(file, corpus);

  const std::vector<std::string> languages = languages_of(corpus, options);
  std::erase_if(corpus, [&](const auto& entry) {
    return entry.first != kAnyLanguage && std::find(languages.begin(), languages.end(), entry.first) == languages.end();
  });
  SentencePieceTrainOptions train{.vocabulary = options.vocabulary,
                                  .model = options.model,
                                  .coverage = options.coverage,
                                  .lower = options.lower,
                                  .single_ideographs = options.cjk_chars};
  for (const std::string& language : languages) train.symbols.push_back("<" + language + ">");
  std::vector<std::string> sentences;
  for (const auto& [language, lines] : corpus) sentences.insert(sentences.end(), lines.begin(), lines.end());
  const std::string model = train_sentencepiece(sentences, train);

  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) throw WriteError(options.out.string() + ": " + error.message());
  write_file(options.out / "tokenizer.model", model);
  write_file(options.out / "tokenizer_config.json", configuration(train.symbols).dump(2) + "\n");

  const Tokenizer tokenizer = open_tokenizer(options.out);
  Json figures = Json::object();
  for (const auto& [language, lines] : corpus) figures.set(language, measure(tokenizer, lines));
  const Json result =
      Json::object({{"out", options.out.string()}, {"pieces", tokenizer.size()}, {"languages", figures}});
  if (options.json) {
    out << result.dump() << "\n";
  } else {
    report(result, out);
  }
  return 0;
}

}  // namespace limn
