#include "fusion/set_stylizer.h"

#include <cmath>

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kWidth = 64;      // of MicroAST's features
constexpr std::int64_t kOverview = 8;    // tokens a side in the relation block
constexpr std::int64_t kQueries = 4096;  // places that attend at a time

Tensor normalised_picture(const Tensor& x) {  // [B C h w]
  const ChannelMoments own = channel_moments(x);
  return (x - own.mean) / own.deviation;
}

Tensor pooled(const Tensor& x, std::int64_t side) {  // [B C h w] -> [B C ceil(h / side) ceil(w / side)]
  if (side == 1) return x;
  return at::avg_pool2d(x, {side, side}, {side, side}, {0, 0}, /*ceil_mode=*/true, /*count_include_pad=*/false);
}

Tensor rows(const Tensor& x) { return x.flatten(2).transpose(1, 2); }  // [B C h w] -> [B S C]

/// The smallest cells of which at most `most` cover h x w.
std::int64_t cell_side(std::int64_t h, std::int64_t w, std::int64_t most) {
  std::int64_t side = 1;
  while (((h + side - 1) / side) * ((w + side - 1) / side) > most) ++side;
  return side;
}

/// Pixels in each cell of a side that is cut into cells. [cells]
Tensor cell_lengths(std::int64_t length, std::int64_t side) {
  const Tensor begin = at::arange(0, length, side);
  return (begin + side).clamp_max(length).sub(begin).to(at::kFloat);
}

}  // namespace

SetStylizerConfig read_set_stylizer_config(const Json& config) {
  ConfigReader read(config);
  SetStylizerConfig c;
  c.cells = read.integer("cells", c.cells);
  c.relation_dim = read.integer("relation_dim", c.relation_dim);
  c.relation_heads = read.integer("relation_heads", c.relation_heads);
  c.relation_layers = read.integer("relation_layers", c.relation_layers);
  c.relation_mlp = read.integer("relation_mlp", c.relation_mlp);
  if (c.relation_heads > 0 && c.relation_dim % c.relation_heads != 0)
    read.fault("relation_heads", "does not divide relation_dim " + std::to_string(c.relation_dim));
  read.finish();
  return c;
}

Json set_stylizer_config_json(const SetStylizerConfig& c) {
  return Json::object({{"model_type", "limn-stylizer"},
                       {"cells", c.cells},
                       {"relation_dim", c.relation_dim},
                       {"relation_heads", c.relation_heads},
                       {"relation_layers", c.relation_layers},
                       {"relation_mlp", c.relation_mlp}});
}

RelationBlock::RelationBlock(const Weights& w, const SetStylizerConfig& c)
    : cells(w / "cells", 2 * kWidth, c.relation_dim),
      whole(w / "whole", 4 * kWidth, c.relation_dim),
      roles(w.get("roles", {2, c.relation_dim})),
      norm(w / "norm", c.relation_dim, 1e-5),
      film(w.get("film.weight", {10 * kWidth, c.relation_dim}, Init::zeros)),
      film_bias(w.get("film.bias", {10 * kWidth}, Init::zeros)) {
  for (std::int64_t i = 0; i < c.relation_layers; ++i)
    blocks.emplace_back(
        w / "blocks" / i,
        BlockConfig{.dim = c.relation_dim, .heads = c.relation_heads, .mlp = c.relation_mlp, .eps = 1e-5});
}

Tensor RelationBlock::overview(const MicroAst::Features& features) const {
  const Tensor both = at::cat({features[0], features[1]}, 1);  // [B 128 h w]
  const ChannelMoments n = channel_moments(both);
  const Tensor grid = rows(at::adaptive_avg_pool2d(both, {kOverview, kOverview}));  // [B 64 128]
  const Tensor all = at::cat({n.mean, n.deviation}, 1).flatten(1).unsqueeze(1);     // [B 1 256]
  return at::cat({whole(all), cells(grid)}, 1);
}

std::vector<StyleRelation> RelationBlock::operator()(const Tensor& content, const std::vector<Tensor>& styles,
                                                     const std::vector<Tensor>& shares) const {
  const std::int64_t B = content.size(0), each = content.size(1);
  std::vector<Tensor> items{content + roles[0]}, weights{at::zeros({B, each}, content.options())};
  for (std::size_t i = 0; i < styles.size(); ++i) {
    items.push_back(styles[i] + roles[1]);
    weights.push_back(shares[i].clamp_min(1e-6).log().to(content.dtype()).unsqueeze(1).expand({B, each}));
  }
  Tensor x = at::cat(items, 1);                                       // [B (1 + I) 65 D]
  const Tensor bias = at::cat(weights, 1).unsqueeze(1).unsqueeze(1);  // [B 1 1 S]
  for (const Block& block : blocks) x = block(x, {.self = {.options = {.bias = bias}}});
  std::vector<StyleRelation> told;
  for (std::size_t i = 0; i < styles.size(); ++i) {
    const Tensor summary = norm(x.select(1, static_cast<std::int64_t>(i + 1) * each));  // [B D]
    const Tensor film_rows = linear(summary, film, film_bias).view({B, 10, kWidth});
    told.push_back({film_rows.narrow(1, 0, 2), film_rows.narrow(1, 2, 8)});
  }
  return told;
}

SetStylizer::SetStylizer(const Weights& w, const SetStylizerConfig& c)
    : config(c),
      net(w / "net"),
      query(w / "query", kWidth, kWidth, /*with_bias=*/false),
      key(w.get("key.weight", {kWidth, kWidth}, Init::zeros)),
      relation(w / "relation", c) {}

StyleTokens SetStylizer::style(const Tensor& pictures, std::int64_t cells) const {
  const MicroAst::Features features = net.style_encoder(pictures);
  const MicroAst::Style own = net.style_of(features);
  const std::int64_t B = pictures.size(0), h = features[0].size(2), w = features[0].size(3);
  const std::int64_t side = cell_side(h, w, cells > 0 ? cells : config.cells);
  // As many squares as pixels, one less in the divisor: the variance that AdaIN takes.
  const double unbiased = static_cast<double>(h * w) / static_cast<double>(std::max<std::int64_t>(h * w - 1, 1));
  StyleTokens tokens;
  std::vector<Tensor> moments, signals;
  for (std::size_t depth = 0; depth < 2; ++depth) {
    const Tensor apart = features[depth] - own[depth].mean;
    moments.push_back(rows(pooled(apart, side)));
    moments.push_back(rows(pooled(apart.square(), side)) * unbiased);
    for (const Tensor* t :
         {&own[depth].mean, &own[depth].deviation, &own[depth].filter_gain, &own[depth].filter_offset})
      signals.push_back(t->view({B, kWidth}));
  }
  tokens.keys = moments[2] / own[1].deviation.view({B, 1, kWidth});
  tokens.moments = at::stack(moments, 2);
  tokens.signals = at::stack(signals, 1);
  const Tensor part = cell_lengths(h, side).unsqueeze(1) * cell_lengths(w, side) / static_cast<double>(h * w);
  tokens.log_part = part.log().to(pictures.options()).view({1, 1, 1, -1});
  tokens.relations = relation.overview(features);
  return tokens;
}

namespace {

struct Attended {
  Tensor signals;   // [B T 8 64]
  Tensor affinity;  // [B T]
};

// A style's statistics as each place sees them. q [B 1 T 64]
Attended attended(const Tensor& q, const StyleTokens& style, const StyleRelation& told, const Tensor& key) {
  const std::int64_t B = q.size(0), T = q.size(2), S = style.keys.size(1);
  const Tensor k = linear(style.keys, key, Tensor()) * told.keys.narrow(1, 0, 1).exp() + told.keys.narrow(1, 1, 1);
  Tensor log_sum;
  const Tensor seen = attend(q, k.unsqueeze(1), style.moments.view({B, 1, S, 4 * kWidth}),
                             {.bias = style.log_part, .log_sum = &log_sum})
                          .view({B, T, 4, kWidth});
  const Tensor own = style.signals.unsqueeze(1), change = told.signals.unsqueeze(1);  // [B 1 8 64]
  const auto at_row = [](const Tensor& x, std::int64_t row) { return x.select(2, row); };
  std::vector<Tensor> signals;
  for (std::int64_t depth = 0; depth < 2; ++depth) {
    const std::int64_t first = 4 * depth;
    const Tensor about = at_row(seen, 2 * depth);
    const Tensor variance = at_row(seen, 2 * depth + 1) - about.square();
    const auto scaled = [&](const Tensor& x, std::int64_t row) { return x * at_row(change, first + row).exp(); };
    const Tensor shift = at_row(change, first) * at_row(own, first + 1);
    signals.push_back(at_row(own, first) + about + shift);
    signals.push_back(scaled((variance.clamp_min(0) + 1e-5).sqrt(), 1));
    for (std::int64_t row = 2; row < 4; ++row)
      signals.push_back(scaled(at_row(own, first + row), row).expand({B, T, kWidth}));
  }
  return {at::stack(signals, 2), log_sum.squeeze(1)};
}

StyleSignal signal_maps(const Tensor& merged, std::int64_t depth, std::int64_t h, std::int64_t w) {  // [B 8 64 h8 w8]
  const auto map = [&](std::int64_t row) {
    return at::upsample_bilinear2d(merged.select(1, 4 * depth + row), {h, w}, /*align_corners=*/false);
  };
  return {map(0), map(1), map(2), map(3)};
}

}  // namespace

SetStylizer::Result SetStylizer::paint(const MicroAst::Features& content, const std::vector<StyleTokens>& styles,
                                       const Tensor& shares, const PaintOptions& options) const {
  const Tensor looks = pooled(normalised_picture(content[1]), 2);  // [B 64 h8 w8]
  const std::int64_t B = looks.size(0), h8 = looks.size(2), w8 = looks.size(3), T = h8 * w8;
  const auto I = static_cast<std::int64_t>(styles.size());
  const Tensor q = query(rows(looks)).unsqueeze(1);  // [B 1 T 64]
  std::vector<StyleRelation> told(styles.size(),
                                  {at::zeros({B, 2, kWidth}, q.options()), at::zeros({B, 8, kWidth}, q.options())});
  if (!options.unrelated) {
    std::vector<Tensor> overviews, parts;
    for (std::int64_t i = 0; i < I; ++i) {
      overviews.push_back(styles[static_cast<std::size_t>(i)].relations);
      parts.push_back(shares[i].mean(at::IntArrayRef{1, 2}));
    }
    told = relation(relation.overview(content), overviews, parts);
  }
  const std::int64_t at_once = at::GradMode::is_enabled() ? T : kQueries;
  std::vector<Tensor> signals, affinities;  // by style
  for (std::size_t i = 0; i < styles.size(); ++i) {
    std::vector<Tensor> signal_parts, affinity_parts;
    for (std::int64_t first = 0; first < T; first += at_once) {
      const Attended part = attended(q.narrow(2, first, std::min(at_once, T - first)), styles[i], told[i], key);
      signal_parts.push_back(part.signals);
      affinity_parts.push_back(part.affinity);
    }
    signals.push_back(at::cat(signal_parts, 1));
    affinities.push_back(at::cat(affinity_parts, 1).view({B, h8, w8}));
  }
  Result result;
  const Tensor affinity = at::stack(affinities);  // [I B h8 w8]
  result.wish = shared_mass(affinity, shares, ShareRule::free);
  result.mass =
      options.share == ShareRule::free ? result.wish : shared_mass(affinity, shares, options.share, options.places);
  Tensor merged;  // [B T 8 64]
  for (std::int64_t i = 0; i < I; ++i) {
    const Tensor term = signals[static_cast<std::size_t>(i)] * result.mass[i].view({B, T, 1, 1});
    merged = merged.defined() ? merged + term : term;
  }
  merged = merged.permute({0, 2, 3, 1}).reshape({B, 8, kWidth, h8, w8});
  const std::int64_t h = content[0].size(2), w = content[0].size(3);
  result.pictures = net.paint(content, {signal_maps(merged, 0, h, w), signal_maps(merged, 1, h, w)}, options.strength);
  return result;
}

Tensor shared_mass(const Tensor& affinity, const Tensor& shares, ShareRule rule, const Tensor& places) {
  if (rule == ShareRule::exact) return shares;
  const Tensor wished = affinity + shares.log();  // a share of 0: never
  if (rule == ShareRule::free || affinity.size(0) == 1) return at::softmax(wished, 0);
  Tensor shift;  // [I B 1 1]: so much more or less is each style wished everywhere
  {
    const at::NoGradGuard no_grad;
    const Tensor counted = places.defined() ? places.expand(shares[0].sizes()) : at::ones_like(shares[0]);
    const auto mean = [&](const Tensor& mass) {
      return ((mass * counted).sum(at::IntArrayRef{-2, -1}, true) / counted.sum(at::IntArrayRef{-2, -1}, true))
          .clamp_min(1e-9);
    };
    const Tensor asked = mean(shares);
    shift = at::zeros_like(asked);
    for (int round = 0; round < 50; ++round) {
      const Tensor got = mean(at::softmax(wished + shift, 0));
      if ((got - asked).abs().max().item<double>() < 1e-4) break;
      shift = shift + asked.log() - got.log();
    }
  }
  return at::softmax(wished + shift, 0);
}

}  // namespace limn
