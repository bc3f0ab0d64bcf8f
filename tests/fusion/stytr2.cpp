#include "fusion/stytr2.h"

#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/fusion/vgg_reference.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

void add_linear(NamedTensors& tensors, const std::string& name, std::int64_t out, std::int64_t in) {
  tensors.emplace_back(name + "weight", at::randn({out, in}) / std::sqrt(static_cast<double>(in)));
  tensors.emplace_back(name + "bias", 0.1 * at::randn({out}));
}

void add_norm(NamedTensors& tensors, const std::string& name) {
  tensors.emplace_back(name + ".weight", 1 + 0.1 * at::randn({512}));
  tensors.emplace_back(name + ".bias", 0.1 * at::randn({512}));
}

void add_layer(NamedTensors& tensors, const std::string& name, bool decoder) {
  std::vector<std::string> attentions{"self_attn"};
  if (decoder) attentions.emplace_back("multihead_attn");
  for (const std::string& attention : attentions) {
    add_linear(tensors, name + "." + attention + ".in_proj_", 1536, 512);
    add_linear(tensors, name + "." + attention + ".out_proj.", 512, 512);
  }
  add_linear(tensors, name + ".linear1.", 2048, 512);
  add_linear(tensors, name + ".linear2.", 512, 2048);
  for (const char* norm : {".norm1", ".norm2", ".norm3"})
    if (decoder || norm[5] != '3') add_norm(tensors, name + norm);
}

struct World {
  TemporaryFolder folder;
  NamedTensors embedding, transformer, decoder;

  explicit World(Container container = Container::legacy) {
    at::manual_seed(12);
    reference::add_conv(embedding, "proj", 512, 3, 8);
    for (int i = 0; i < 3; ++i)
      for (const char* side : {"encoder_c", "encoder_s", "decoder"})
        add_layer(transformer, std::string(side) + ".layers." + std::to_string(i), side[0] == 'd');
    add_norm(transformer, "decoder.norm");
    reference::add_conv(transformer, "new_ps", 512, 512, 1);
    decoder = reference::random_decoder();
    torch_save(folder / "embedding_iter_160000.pth", embedding, container);
    torch_save(folder / "transformer_iter_160000.pth", transformer, container);
    torch_save(folder / "decoder_iter_160000.pth", decoder, container);
  }
};

// The authors' definition, one picture, tokens [T 512] in rows.
struct Definition {
  reference::Table embedding, transformer, decoder;
  explicit Definition(const World& world)
      : embedding(reference::as_double(world.embedding)),
        transformer(reference::as_double(world.transformer)),
        decoder(reference::as_double(world.decoder)) {}

  Tensor linear(const std::string& name, const Tensor& x) const {
    return at::matmul(x, transformer.at(name + "weight").t()) + transformer.at(name + "bias");
  }
  Tensor norm(const std::string& name, const Tensor& x) const {
    const Tensor centred = x - x.mean(-1, true);
    const Tensor variance = centred.square().mean(-1, true);
    return centred / (variance + 1e-5).sqrt() * transformer.at(name + ".weight") + transformer.at(name + ".bias");
  }
  Tensor attention(const std::string& name, const Tensor& query, const Tensor& key, const Tensor& value) const {
    const Tensor weight = transformer.at(name + ".in_proj_weight"), bias = transformer.at(name + ".in_proj_bias");
    const auto projected = [&](const Tensor& x, std::int64_t third) {
      return at::matmul(x, weight.narrow(0, 512 * third, 512).t()) + bias.narrow(0, 512 * third, 512);
    };
    const Tensor q = projected(query, 0), k = projected(key, 1), v = projected(value, 2);
    std::vector<Tensor> heads;
    for (std::int64_t head = 0; head < 8; ++head) {
      const auto own = [&](const Tensor& x) { return x.narrow(1, 64 * head, 64); };
      heads.push_back(at::matmul(at::softmax(at::matmul(own(q), own(k).t()) / 8.0, -1), own(v)));
    }
    return linear(name + ".out_proj.", at::cat(heads, 1));
  }
  Tensor mlp(const std::string& name, const Tensor& x) const {
    return linear(name + ".linear2.", linear(name + ".linear1.", x).clamp_min(0));
  }
  Tensor encoder_layer(const std::string& name, const Tensor& x, const Tensor& position) const {
    const Tensor placed = position.defined() ? x + position : x;
    const Tensor y = norm(name + ".norm1", x + attention(name + ".self_attn", placed, placed, x));
    return norm(name + ".norm2", y + mlp(name, y));
  }
  Tensor decoder_layer(const std::string& name, const Tensor& x, const Tensor& position, const Tensor& style) const {
    Tensor y = norm(name + ".norm1", x + attention(name + ".self_attn", x + position, style, style));
    y = norm(name + ".norm2", y + attention(name + ".multihead_attn", y + position, style, style));
    return norm(name + ".norm3", y + mlp(name, y));
  }
  Tensor patches(const Tensor& picture) const {  // [1 512 h w]
    return at::conv2d(picture, embedding.at("proj.weight"), embedding.at("proj.bias"), at::IntArrayRef{8, 8});
  }
  // The published code spreads the position over the style's grid, which has the content's size wherever it runs.
  Tensor position(const Tensor& patches) const {
    const Tensor regions = at::conv2d(at::adaptive_avg_pool2d(patches, {18, 18}), transformer.at("new_ps.weight"),
                                      transformer.at("new_ps.bias"));
    return rows(at::upsample_bilinear2d(regions, {patches.size(2), patches.size(3)}, false));
  }
  static Tensor rows(const Tensor& x) { return x[0].flatten(1).t(); }  // [1 D h w] -> [T D]
};

std::string numbered(const char* layers, std::size_t i) { return std::string(layers) + std::to_string(i); }

// Everything between the pictures and the result, layer by layer, and then the family's own result.
void check_parity(const World& world, Tensor content, Tensor style, at::ScalarType dtype, double tolerance) {
  const at::NoGradGuard no_grad;
  CAPTURE(content.sizes(), style.sizes(), dtype);
  const Definition d(world);
  const Weights weights = stytr2_weights(world.folder.path, {.dtype = dtype});
  const StyTr2 net(weights);
  weights.finish();
  CHECK(weights.count() == 98'816 + 31'790'080 + 3'505'219);
  const auto same = [&](const Tensor& got, const Tensor& expected) {
    return reference::apart(got, expected.unsqueeze(0)) < tolerance;
  };
  const Tensor c = d.patches(content.to(at::kDouble)), s = d.patches(style.to(at::kDouble)), place = d.position(c);
  content = content.to(dtype);
  style = style.to(dtype);
  const Tensor patches = net.embedded(content), seen = net.embedded(style), position = net.position(patches);
  CHECK(reference::apart(patches, c) < tolerance);
  CHECK(reference::apart(seen, s) < tolerance);
  CHECK(same(position, place));

  Tensor x = patches.flatten(2).transpose(1, 2), y = Definition::rows(c), m = seen.flatten(2).transpose(1, 2),
         memory = Definition::rows(s);
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    x = net.content_layers[i](x, position);
    y = d.encoder_layer(numbered("encoder_c.layers.", i), y, place);
    CHECK(same(x, y));
    m = net.style_layers[i](m, {});
    memory = d.encoder_layer(numbered("encoder_s.layers.", i), memory, {});
    CHECK(same(m, memory));
  }
  CHECK(same(net.content(patches, position), y));
  CHECK(same(net.style(seen), memory));
  const StyTr2::Source whole[] = {{m, at::ones({1, x.size(1), 1}, x.options())}};
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    x = net.decoder_layers[i](x, position, whole);
    y = d.decoder_layer(numbered("decoder.layers.", i), y, place, memory);
    CHECK(same(x, y));
  }
  y = d.norm("decoder.norm", y);
  const Tensor features = y.t().reshape({1, 512, c.size(2), c.size(3)});
  const Stylizer stylizer = *open_model(world.folder.path, {.dtype = dtype}).stylizer;
  const Tensor share = at::ones({1, 1, c.size(2), c.size(3)}, x.options());
  const Tensor painted = stylizer.paint(stylizer.content(content), {{stylizer.style(style), share}}, {}).picture;
  CHECK(reference::apart(painted, reference::decoded(d.decoder, features)) < tolerance);
}

Tensor bytes(std::int64_t h, std::int64_t w) { return at::randint(0, 256, {3, h, w}, at::kByte); }

double apart(const Stylized& x, const Stylized& y) {
  return (x.picture.to(at::kInt) - y.picture.to(at::kInt)).abs().max().item<double>();
}

}  // namespace

TEST_CASE("StyTr2: every layer is that of the published definition", "[stytr2][stylize]") {
  const Container container = GENERATE(Container::legacy, Container::zip);
  const World world(container);
  if (container == Container::legacy)
    check_parity(world, reference::random_picture(64, 64), reference::random_picture(64, 64), at::kDouble, 1e-11);
  else
    check_parity(world, reference::random_picture(48, 80), reference::random_picture(59, 32), at::kDouble, 1e-11);
}

TEST_CASE("StyTr2: the same in float at real sizes", "[stytr2][stylize]") {
  const World world;
  check_parity(world, reference::random_picture(256, 384), reference::random_picture(256, 256), at::kFloat, 1e-4);
}

TEST_CASE("StyTr2: shares, strength and any size", "[stytr2][stylize]") {
  const World world;
  const Stylizer s = *open_model(world.folder.path).stylizer;
  const Tensor canvas = bytes(41, 50), a = bytes(33, 20), b = bytes(17, 64);
  const Stylized alone = stylize(s, canvas, {{a}});
  CHECK(alone.picture.sizes() == canvas.sizes());
  CHECK(apart(alone, stylize(s, canvas, {{a, 0.5}, {a, 0.5}})) <= 1);
  const Stylized mixed = stylize(s, canvas, {{a, 2}, {b, 1}});
  CHECK(mixed.shares[0] == Approx(2.0 / 3));
  CHECK(apart(mixed, stylize(s, canvas, {{b, 1}, {a, 2}})) <= 1);
  CHECK(apart(mixed, alone) > 1);
  CHECK(at::equal(stylize(s, canvas, {{a}}, {.strength = 0}).picture, canvas));
  const Tensor whole = bytes(40, 48);
  CHECK(apart(stylize(s, whole, {{a}}, {.strength = 0.5}), stylize(s, whole, {{a}, {whole}})) <= 1);
  for (const Tensor& odd : {bytes(1, 1), bytes(3, 40), at::zeros({3, 9, 9}, at::kByte)})
    CHECK(stylize(s, odd, {{odd}}).picture.sizes() == odd.sizes());
}

TEST_CASE("StyTr2: files that are missing, cut off or not its own are named", "[stytr2][stylize]") {
  const World world;
  const auto refusal = [&] {
    try {
      open_model(world.folder.path);
    } catch (const CheckpointError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  torch_save(world.folder / "vgg_normalised.pth", {{"0.weight", at::zeros({2})}}, Container::zip);
  CHECK(open_model(world.folder.path).family == "stytr2");  // the losses' network may lie beside
  NamedTensors other = world.transformer;
  other[0].first += "_";
  torch_save(world.folder / "transformer_iter_160000.pth", other, Container::legacy);
  CHECK_THAT(refusal(),
             ContainsSubstring("missing     transformer.encoder_c.layers.0.self_attn.in_proj_weight (content.0.") &&
                 ContainsSubstring("unexpected  transformer.encoder_c.layers.0.self_attn.in_proj_weight_ [1536, 512]"));
  fs::resize_file(world.folder / "transformer_iter_160000.pth", 50'000'000);
  CHECK_THAT(refusal(), ContainsSubstring("transformer_iter_160000.pth: storage \"") &&
                            ContainsSubstring("is the file truncated?"));
  fs::remove(world.folder / "embedding_iter_160000.pth");
  CHECK_THAT(refusal(), ContainsSubstring(": stytr2: embedding_iter_….pth is missing, expected the authors' three"));
}
