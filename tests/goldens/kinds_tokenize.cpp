#include "tests/goldens/kinds.h"
#include "text/tokenizer.h"

namespace limn::golden {

void run_tokenize(GoldenCase& current) {
  const auto& tokenizer = current.folder.keep<Tokenizer>([&] { return open_tokenizer(current.folder.model_folder()); });
  const std::vector<std::int64_t> expected = current.json.at("ids").integers();
  EncodeOptions options{.special = current.json["special"].boolean(true)};
  if (current.has("max_length")) {
    options.max_length = current.json["max_length"].integer();
    // Some families pad to that length, others only cut: the answer's own length tells.
    if (static_cast<std::int64_t>(expected.size()) == options.max_length) options.pad_to = options.max_length;
  }
  current.equal("ids", tokenizer.encode(current.text("text"), options), expected);
  if (current.has("decoded")) current.equal("decoded", tokenizer.decode(expected), current.text("decoded"));
}

}  // namespace limn::golden
