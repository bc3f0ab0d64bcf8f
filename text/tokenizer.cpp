#include "text/tokenizer.h"

#include <ATen/core/Tensor.h>

#include "core/error.h"
#include "text/decoders.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

namespace limn {

void TokenizerImpl::add_piece(const std::string& piece, std::int64_t id) {
  if (id >= static_cast<std::int64_t>(pieces.size())) pieces.resize(static_cast<std::size_t>(id) + 1);
  pieces[static_cast<std::size_t>(id)] = piece;
  by_piece[piece] = id;
}

std::int64_t TokenizerImpl::find(std::string_view piece) const {
  const auto found = by_piece.find(piece);
  return found == by_piece.end() ? -1 : found->second;
}

Tokenizer::Tokenizer(std::shared_ptr<const TokenizerImpl> impl) : special(impl->special), impl_(std::move(impl)) {}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const TokenizerImpl& impl = *impl_;
  Ids ids;
  if (options.special) ids = impl.before;
  const auto before = static_cast<std::ptrdiff_t>(ids.size());
  const auto around = static_cast<std::int64_t>(options.special ? impl.before.size() + impl.behind.size() : 0);
  if (find_invalid_utf8(text) == std::string_view::npos) {
    impl.encode(text, ids);
  } else {
    impl.encode(valid_utf8(text), ids);
  }
  if (options.max_length > 0) {
    const std::int64_t room = options.max_length - around;
    if (room < 0)
      throw InputError(c10::str("Tokenizer::encode: max_length: got ", options.max_length, ", expected at least ",
                                around, ", the special tokens alone"));
    const std::int64_t excess = static_cast<std::int64_t>(ids.size()) - before - room;
    if (excess > 0) {
      const auto first = impl.cut_left ? ids.begin() + before : ids.end() - excess;
      ids.erase(first, first + excess);
    }
  }
  const bool ended = impl.end_once && !ids.empty() && !impl.behind.empty() && ids.back() == impl.behind.back();
  if (options.special && !ended) ids.insert(ids.end(), impl.behind.begin(), impl.behind.end());
  const std::int64_t missing = options.pad_to - static_cast<std::int64_t>(ids.size());
  if (missing > 0) {
    if (special.pad < 0) throw InputError("Tokenizer::encode: pad_to: this tokenizer has no padding token");
    ids.insert(impl.pad_left ? ids.begin() : ids.end(), static_cast<std::size_t>(missing), special.pad);
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int64_t> ids, bool skip_special) const {
  std::span<const std::int64_t> body = ids;
  if (skip_special && impl_->trims_padding) {
    while (!body.empty() && body.back() == impl_->special.pad) body = body.first(body.size() - 1);
    if (body.empty() || body.back() != impl_->special.end) body = ids;  // no end mark: they are words
  }
  Ids kept;
  kept.reserve(ids.size());
  for (const std::int64_t id : body) {
    if (id < 0 || id >= size() || impl_->pieces[static_cast<std::size_t>(id)].empty()) continue;
    if (skip_special && impl_->skipped.count(id)) continue;
    kept.push_back(id);
  }
  std::string text = impl_->decode(kept);
  if (impl_->clean_up) clean_up_spaces(text);
  return text;
}

std::int64_t Tokenizer::size() const { return static_cast<std::int64_t>(impl_->pieces.size()); }

std::string Tokenizer::piece(std::int64_t id) const {
  return id < 0 || id >= size() ? std::string() : impl_->pieces[static_cast<std::size_t>(id)];
}

std::optional<std::int64_t> Tokenizer::id(std::string_view piece) const {
  const std::int64_t found = impl_->find(piece);
  return found < 0 ? std::nullopt : std::optional(found);
}

bool Tokenizer::is_special(std::int64_t id) const { return impl_->skipped.count(id) > 0; }

}  // namespace limn
