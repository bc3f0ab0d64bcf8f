#include "text/packed.h"

#include <algorithm>

#include "core/ops.h"

namespace limn {

namespace {

Tensor integers(const std::vector<std::int64_t>& values) { return at::tensor(at::ArrayRef<std::int64_t>(values)); }

// Cuts the texts and tells the longest row's tokens.
std::int64_t cut(TextRows& texts, std::int64_t longest, std::int64_t unread) {
  std::int64_t width = 1;
  for (auto& row : texts) {
    std::int64_t length = 0;
    for (auto& text : row) {
      if (static_cast<std::int64_t>(text.size()) > longest) text.resize(static_cast<std::size_t>(longest));
      length += static_cast<std::int64_t>(text.size()) - unread;
    }
    width = std::max(width, length);
  }
  return width;
}

}  // namespace

PackedTexts pack(TextRows texts, std::int64_t longest, LastToken last, at::Device device) {
  const std::int64_t unread = last == LastToken::target ? 1 : 0;
  const std::int64_t T = cut(texts, longest, unread), R = static_cast<std::int64_t>(texts.size());
  PackedTexts packed{.ids = at::zeros({R, T}, at::kLong),
                     .positions = at::zeros({R, T}, at::kLong),
                     .causal = {},
                     .whole = {},
                     .places = {},
                     .targets = {},
                     .text = {},
                     .lengths = {},
                     .row = {}};
  Tensor segment = at::full({R, T}, -1, at::kLong);
  auto ids = packed.ids.accessor<std::int64_t, 2>(), positions = packed.positions.accessor<std::int64_t, 2>(),
       segments = segment.accessor<std::int64_t, 2>();
  std::vector<std::int64_t> places, targets, owner, lengths, rows;
  for (std::int64_t r = 0; r < R; ++r) {
    std::int64_t t = 0, number = 0;
    for (const auto& text : texts[static_cast<std::size_t>(r)]) {
      const std::size_t length = text.size() - static_cast<std::size_t>(unread);
      for (std::size_t i = 0; i < length; ++i, ++t) {
        ids[r][t] = text[i];
        positions[r][t] = static_cast<std::int64_t>(i);
        segments[r][t] = number;
        places.push_back(r * T + t);
        if (unread) targets.push_back(text[i + 1]);
        owner.push_back(static_cast<std::int64_t>(lengths.size()));
      }
      ++number;
      lengths.push_back(static_cast<std::int64_t>(length));
      rows.push_back(r);
    }
  }
  packed.whole = (segment.unsqueeze(2) == segment.unsqueeze(1)).unsqueeze(1);
  packed.causal = packed.whole & at::ones({T, T}, at::kBool).tril();
  packed.places = integers(places);
  if (unread) packed.targets = integers(targets);
  packed.text = integers(owner);
  packed.lengths = integers(lengths);
  packed.row = integers(rows);
  for (Tensor* tensor : {&packed.ids, &packed.positions, &packed.causal, &packed.whole, &packed.places, &packed.targets,
                         &packed.text, &packed.lengths, &packed.row})
    if (tensor->defined()) *tensor = tensor->to(device);
  return packed;
}

Tensor text_means(const Tensor& x, const PackedTexts& texts) {
  const Tensor tokens = x.flatten(0, 1).index_select(0, texts.places).to(at::kFloat);  // [M D]
  const Tensor sums = at::zeros({texts.lengths.size(0), x.size(-1)}, tokens.options()).index_add(0, texts.text, tokens);
  return sums / texts.lengths.to(at::kFloat).unsqueeze(1);  // [G D]
}

}  // namespace limn
