#include "fusion/set_stylizer.h"

#include <cmath>

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kWidth = 64;      // of MicroAST's features
constexpr std::int64_t kQueries = 4096;  // places that attend at a time

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
  c.relation.dim = read.integer("relation_dim", c.relation.dim);
  c.relation.heads = read.integer("relation_heads", c.relation.heads);
  c.relation.layers = read.integer("relation_layers", c.relation.layers);
  c.relation.mlp = read.integer("relation_mlp", c.relation.mlp);
  if (c.relation.heads > 0 && c.relation.dim % c.relation.heads != 0)
    read.fault("relation_heads", "does not divide relation_dim " + std::to_string(c.relation.dim));
  if (config.has("words")) {
    ConfigReader words = read.inside("words");
    c.words = {words.text("encoder", ""), words.integer("width"), words.integer("hidden")};
    if (c.words.encoder.empty()) words.fault("encoder", "is missing, expected a dual encoder's name");
  }
  read.finish();
  return c;
}

Json set_stylizer_config_json(const SetStylizerConfig& c) {
  Json json = Json::object({{"model_type", "limn-stylizer"},
                            {"cells", c.cells},
                            {"relation_dim", c.relation.dim},
                            {"relation_heads", c.relation.heads},
                            {"relation_layers", c.relation.layers},
                            {"relation_mlp", c.relation.mlp}});
  const StyleWordsConfig& w = c.words;
  if (!w.encoder.empty())
    json.set("words", Json::object({{"encoder", w.encoder}, {"width", w.width}, {"hidden", w.hidden}}));
  return json;
}

SetStylizer::SetStylizer(const Weights& w, const SetStylizerConfig& c)
    : config(c),
      net(w / "net"),
      query(w / "query", kWidth, kWidth, /*with_bias=*/false),
      key(w.get("key.weight", {kWidth, kWidth}, Init::zeros)),
      relation(w / "relation", c.relation) {
  if (!c.words.encoder.empty()) words.emplace(w / "words", c.words);
}

SetStylizer::Content SetStylizer::content(const Tensor& pictures) const {
  Content content;
  std::array<RelationBlock::Sight, 2> sights;
  net.content_encoder.each_depth(pictures, [&](std::size_t depth, const Tensor& x) {
    sights[depth] = RelationBlock::sight(x);
    content.deep = x;
  });
  content.overview = relation.overview(sights);
  return content;
}

namespace {

/// Means of each cell's features and of their squares, about `mean`. [B S 64] each
std::array<Tensor, 2> cell_moments(const Tensor& x, const Tensor& mean, std::int64_t side) {
  const std::int64_t h = x.size(2), w = x.size(3);
  const std::int64_t most = at::GradMode::is_enabled() ? h : std::max(MicroAst::kStrip / (16 * w), side);
  std::vector<Tensor> means, squares;
  for (const Strip& s : strips_of(h, most, 0, side)) {
    const Tensor apart = x.narrow(2, s.first, s.rows) - mean;
    means.push_back(pooled(apart, side));
    squares.push_back(pooled(apart.square(), side));
  }
  // As many squares as pixels, one less in the divisor: the variance that AdaIN takes.
  const double unbiased = static_cast<double>(h * w) / static_cast<double>(std::max<std::int64_t>(h * w - 1, 1));
  return {rows(at::cat(means, 2)), rows(at::cat(squares, 2)) * unbiased};
}

}  // namespace

StyleTokens SetStylizer::style(const Tensor& pictures, std::int64_t cells) const {
  StyleTokens tokens;
  std::vector<Tensor> moments, signals;
  std::array<RelationBlock::Sight, 2> sights;
  const std::int64_t B = pictures.size(0);
  net.style_encoder.each_depth(pictures, [&](std::size_t depth, const Tensor& x) {
    const std::int64_t h = x.size(2), w = x.size(3), side = cell_side(h, w, cells > 0 ? cells : config.cells);
    const StyleSignal own = net.signal(depth, x);
    for (Tensor& part : cell_moments(x, own.mean, side)) moments.push_back(std::move(part));
    for (const Tensor* t : {&own.mean, &own.deviation, &own.filter_gain, &own.filter_offset})
      signals.push_back(t->reshape({B, kWidth}));
    sights[depth] = RelationBlock::sight(x);
    if (depth == 0) return;
    tokens.keys = moments[2] / own.deviation.view({B, 1, kWidth});
    const Tensor part = cell_lengths(h, side).unsqueeze(1) * cell_lengths(w, side) / static_cast<double>(h * w);
    tokens.log_part = part.log().to(pictures.options()).view({1, 1, 1, -1});
  });
  tokens.moments = at::stack(moments, 2);
  tokens.signals = at::stack(signals, 1);
  tokens.relations = relation.overview(sights);
  return tokens;
}

StyleTokens SetStylizer::style_of(const Tensor& signals) const {
  const std::int64_t B = signals.size(0);
  const Tensor none = at::zeros({B, 1, kWidth}, signals.options());
  const auto squares = [&](std::int64_t row) { return (signals.narrow(1, row, 1).square() - 1e-5).clamp_min(0); };
  return {.keys = none,
          .log_part = at::zeros({1, 1, 1, 1}, signals.options()),
          .moments = at::stack({none, squares(1), none, squares(5)}, 2),
          .signals = signals,
          .relations = relation.overview(signals)};
}

namespace {

// What each place sees of a style.
struct Attended {
  std::array<Tensor, 4> signals;  // [B T 64] each: of both depths mean and deviation
  Tensor affinity;                // [B T]
};

// q [B 1 T 64]
Attended attended(const Tensor& q, const StyleTokens& style, const StyleRelation& told, const Tensor& key) {
  const std::int64_t B = q.size(0), T = q.size(2), S = style.keys.size(1);
  const Tensor k = linear(style.keys, key, Tensor()) * told.keys.narrow(1, 0, 1).exp() + told.keys.narrow(1, 1, 1);
  Attended result;
  Tensor log_sum;
  const Tensor seen = attend(q, k.unsqueeze(1), style.moments.view({B, 1, S, 4 * kWidth}),
                             {.bias = style.log_part, .log_sum = &log_sum})
                          .view({B, T, 4, kWidth});
  result.affinity = log_sum.squeeze(1);
  const Tensor own = style.signals.unsqueeze(1), change = told.signals.unsqueeze(1);  // [B 1 8 64]
  const auto at_row = [](const Tensor& x, std::int64_t row) { return x.select(2, row); };
  for (std::int64_t depth = 0; depth < 2; ++depth) {
    const std::int64_t first = 4 * depth;
    const Tensor about = at_row(seen, 2 * depth);
    const Tensor variance = at_row(seen, 2 * depth + 1) - about.square();
    const Tensor shift = at_row(change, first) * at_row(own, first + 1);
    result.signals[static_cast<std::size_t>(2 * depth)] = at_row(own, first) + about + shift;
    result.signals[static_cast<std::size_t>(2 * depth + 1)] =
        (variance.clamp_min(0) + 1e-5).sqrt() * at_row(change, first + 1).exp();
  }
  return result;
}

/// Rows `first` to `first + count` of a map that is enlarged to h x w. [B C h8 w8] -> [B C count w]
Tensor enlarged(const Tensor& map, std::int64_t first, std::int64_t count, std::int64_t h, std::int64_t w) {
  if (count == h) return at::upsample_bilinear2d(map, {h, w}, /*align_corners=*/false);
  const float scale = static_cast<float>(map.size(2)) / static_cast<float>(h);
  const Tensor at_row = ((at::arange(first, first + count).to(at::kFloat) + 0.5) * scale - 0.5).clamp_min(0);
  const Tensor above = at_row.to(at::kLong);
  const Tensor part = (at_row - above.to(at::kFloat)).to(map.options()).view({1, 1, count, 1});
  const Tensor by_row = map.permute({0, 2, 3, 1});  // so that rows stay pixel by pixel
  const auto rows_at = [&](const Tensor& index) {
    return by_row.index_select(1, index.to(map.device())).permute({0, 3, 1, 2});
  };
  const Tensor rows_above = rows_at(above), rows_below = rows_at((above + 1).clamp_max(map.size(2) - 1));
  return at::upsample_bilinear2d(rows_above + (rows_below - rows_above) * part, {count, w}, /*align_corners=*/false);
}

/// Pixel by pixel as the convolutions outside of training want it. [B h w C] -> [B C h w]
Tensor as_map(const Tensor& x) {
  const Tensor map = x.permute({0, 3, 1, 2});
  return at::GradMode::is_enabled() ? map.contiguous() : map;
}

/// What all styles together say at each place.
struct Merged {
  std::array<Tensor, 4> moments;  // [B 64 h8 w8] each: of both depths mean and deviation
  std::array<Tensor, 4> filters;  // [I B 64] each: of both depths gain and offset, the same at all places
  Tensor mass;                    // [I B h8 w8]

  StyleSignal rows(std::size_t depth, std::int64_t first, std::int64_t count, std::int64_t h, std::int64_t w) const {
    const std::int64_t I = mass.size(0), B = mass.size(1);
    const auto moment = [&](std::size_t which) { return enlarged(moments[2 * depth + which], first, count, h, w); };
    const Tensor parts = I == 1 ? Tensor() : enlarged(mass, first, count, h, w).unsqueeze(-1);  // [I B count w 1]
    const auto filter = [&](std::size_t which) {
      const Tensor& of = filters[2 * depth + which];
      if (I == 1) return of[0].view({B, kWidth, 1, 1});
      Tensor sum;  // [B count w 64]
      for (std::int64_t i = 0; i < I; ++i) {
        const Tensor one = of[i].view({B, 1, 1, kWidth});
        sum = sum.defined() ? at::addcmul(sum, parts[i], one) : parts[i] * one;
      }
      return as_map(sum);
    };
    return {moment(0), moment(1), filter(0), filter(1)};
  }
};

/// A canvas' places and the styles, in each other's company.
struct Company {
  const std::vector<StyleTokens>& styles;
  const Tensor& key;
  Tensor query;                     // [B 1 T 64]
  std::vector<StyleRelation> told;  // by style

  std::int64_t places() const { return query.size(2); }
  /// Places that attend at a time: in training all.
  std::int64_t at_once() const { return at::GradMode::is_enabled() ? places() : kQueries; }
  Attended see(std::size_t i, std::int64_t first) const {
    return attended(query.narrow(2, first, std::min(at_once(), places() - first)), styles[i], told[i], key);
  }
  /// What all places see of a style; where they do not attend at once, how they are drawn to it and no more.
  Attended see_all(std::size_t i) const {
    if (at_once() >= places()) return see(i, 0);
    if (styles.size() == 1) return {.signals = {}, .affinity = at::zeros({query.size(0), places()}, query.options())};
    std::vector<Tensor> pieces;
    for (std::int64_t first = 0; first < places(); first += at_once()) pieces.push_back(see(i, first).affinity);
    return {.signals = {}, .affinity = at::cat(pieces, 1)};
  }
  std::array<Tensor, 4> filters() const {  // as Merged has them
    std::array<Tensor, 4> all;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::int64_t row = 4 * (static_cast<std::int64_t>(k) / 2) + 2 + static_cast<std::int64_t>(k) % 2;
      std::vector<Tensor> own;
      for (std::size_t i = 0; i < styles.size(); ++i)
        own.push_back(styles[i].signals.select(1, row) * told[i].signals.select(1, row).exp());
      all[k] = at::stack(own);
    }
    return all;
  }
};

/// What places see of all styles, by each style's part there. [B n 64] each
/// @param mass  [I B n 1]
std::array<Tensor, 4> sum_by_mass(const std::vector<Attended>& seen, const Tensor& mass) {
  std::array<Tensor, 4> sums;
  for (std::size_t i = 0; i < seen.size(); ++i)
    for (std::size_t k = 0; k < 4; ++k) {
      const Tensor& signal = seen[i].signals[k];
      const Tensor part = mass[static_cast<std::int64_t>(i)];
      sums[k] = sums[k].defined() ? at::addcmul(sums[k], signal, part) : signal * part;
    }
  return sums;
}

/// The styles' signals at all places, merged by mass. Affinities are needed of all places before shares can be met;
/// what was seen then is kept where all places attend at once, else it is seen again, piece by piece.
Merged merged(const Company& company, std::vector<Attended> seen, const Tensor& mass) {
  const std::int64_t I = mass.size(0), B = mass.size(1), h8 = mass.size(2), w8 = mass.size(3), T = h8 * w8;
  const Tensor by_place = mass.reshape({I, B, T, 1});
  std::array<Tensor, 4> all;  // [B T 64] each
  if (seen[0].signals[0].defined()) {
    all = sum_by_mass(seen, by_place);
  } else {
    for (Tensor& one : all) one = at::empty({B, T, kWidth}, company.query.options());
    for (std::int64_t first = 0; first < T; first += company.at_once()) {
      for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = company.see(i, first);
      const std::int64_t count = seen[0].affinity.size(1);
      const auto here = sum_by_mass(seen, by_place.narrow(2, first, count));
      for (std::size_t k = 0; k < 4; ++k) all[k].narrow(1, first, count).copy_(here[k]);
    }
  }
  Merged result{.moments = {}, .filters = company.filters(), .mass = mass};
  for (std::size_t k = 0; k < 4; ++k) result.moments[k] = as_map(all[k].view({B, h8, w8, kWidth}));
  return result;
}

/// The content's own signals [B 8 64] have what strength leaves of every share, the same at all places.
Merged weakened(Merged all, const Tensor& own, double strength) {
  const std::int64_t B = own.size(0);
  for (std::int64_t k = 0; k < 4; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const std::int64_t moment = 4 * (k / 2) + k % 2, filter = moment + 2;  // rows of a style's signals
    all.moments[i] = all.moments[i] * strength + own.select(1, moment).view({B, kWidth, 1, 1}) * (1 - strength);
    all.filters[i] = at::cat({all.filters[i], own.select(1, filter).unsqueeze(0)});
  }
  all.mass = at::cat({all.mass * strength, at::full_like(all.mass.narrow(0, 0, 1), 1 - strength)});
  return all;
}

}  // namespace

SetStylizer::Result SetStylizer::paint(Content content, const std::vector<StyleTokens>& styles, const Tensor& shares,
                                       const PaintOptions& options, const Tensor& own_signals) const {
  const auto [I, B, h8, w8] = dims<4>(shares, "SetStylizer: shares [I B h w]");
  const std::int64_t h = content.deep.size(2), w = content.deep.size(3);
  const ChannelMoments own = settled(options, "deep", channel_moments(content.deep));
  Company company{.styles = styles, .key = key, .query = {}, .told = {}};
  {
    const Tensor looks = (pooled(content.deep, 2) - own.mean) / own.deviation;  // [B 64 h8 w8]
    company.query = query(rows(looks)).unsqueeze(1);
  }
  const auto options_of = company.query.options();
  company.told.assign(styles.size(), {at::zeros({B, 2, kWidth}, options_of), at::zeros({B, 8, kWidth}, options_of)});
  if (!options.unrelated) {
    std::vector<Tensor> overviews, parts;
    for (std::int64_t i = 0; i < I; ++i) {
      overviews.push_back(styles[static_cast<std::size_t>(i)].relations);
      parts.push_back(shares[i].mean(at::IntArrayRef{1, 2}));
    }
    company.told = relation(settled(options, "overview", content.overview), overviews, parts);
  }
  std::vector<Attended> seen;
  std::vector<Tensor> affinities;
  for (std::size_t i = 0; i < styles.size(); ++i) {
    seen.push_back(company.see_all(i));
    affinities.push_back(seen[i].affinity.view({B, h8, w8}));
  }
  Result result;
  const Tensor affinity = at::stack(affinities);  // [I B h8 w8]
  result.wish = shared_mass(affinity, shares, ShareRule::free);
  const auto settle = [&](const Tensor& shift) { return settled(options, "shares", shift); };
  result.mass = options.share == ShareRule::free ? result.wish
                                                 : shared_mass(affinity, shares, options.share, options.places, settle);
  Merged all = merged(company, std::move(seen), result.mass);
  if (own_signals.defined()) all = weakened(std::move(all), own_signals, options.strength);
  const double strength = own_signals.defined() ? 1 : options.strength;
  company.query = Tensor();
  const auto style = [&](std::size_t depth, std::int64_t first, std::int64_t count) {
    return all.rows(depth, first, count, h, w);
  };
  if (at::GradMode::is_enabled()) {
    const Tensor x = net.decoder.deepened(content.deep, own, style(1, 0, h), strength);
    result.pictures = net.decoder.finished(x, channel_moments(x), style(0, 0, h), strength);
    return result;
  }
  result.pictures = net.paint(std::move(content.deep),
                              {.strength = strength,
                               .pixels = options.strip,
                               .own = own,
                               .style = style,
                               .rows = options.rows,
                               .settled = [&](const ChannelMoments& m) { return settled(options, "deepened", m); }});
  return result;
}

Tensor shared_mass(const Tensor& affinity, const Tensor& shares, ShareRule rule, const Tensor& places,
                   const std::function<Tensor(const Tensor& shift)>& settle) {
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
    if (settle) shift = settle(shift);
  }
  return at::softmax(wished + shift, 0);
}

}  // namespace limn
