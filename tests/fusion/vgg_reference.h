#pragma once

#include <cmath>
#include <map>
#include <string>

#include "core/ops.h"
#include "tests/catch.h"
#include "tests/torch_save.h"

// The published definitions of AdaIN's encoder and decoder, written down plainly in float64, and random weights in the
// official key layout. Nothing here uses the code under test.
namespace limn::reference {

using Table = std::map<std::string, Tensor>;  // float64, by the file's names

inline Table as_double(const NamedTensors& tensors) {
  Table table;
  for (const auto& [name, tensor] : tensors) table[name] = tensor.to(at::kDouble);
  return table;
}

/// He's initialisation, which keeps the features' size through ReLUs.
inline void add_conv(NamedTensors& tensors, const std::string& name, std::int64_t out, std::int64_t in,
                     std::int64_t kernel) {
  tensors.emplace_back(name + ".weight", at::randn({out, in, kernel, kernel}) *
                                             std::sqrt(2.0 / static_cast<double>(in * kernel * kernel)));
  tensors.emplace_back(name + ".bias", 0.1 * at::randn({out}));
}

/// vgg_normalised.pth: 17 convolutions among 53 modules. @param last  index of the last convolution to write
inline NamedTensors random_vgg(int last = 51) {
  NamedTensors tensors;
  add_conv(tensors, "0", 3, 3, 1);
  const struct {
    int index;
    std::int64_t out, in;
  } convs[] = {{2, 64, 3},     {5, 64, 64},    {9, 128, 64},   {12, 128, 128}, {16, 256, 128}, {19, 256, 256},
               {22, 256, 256}, {25, 256, 256}, {29, 512, 256}, {32, 512, 512}, {35, 512, 512}, {38, 512, 512},
               {42, 512, 512}, {45, 512, 512}, {48, 512, 512}, {51, 512, 512}};
  for (const auto& conv : convs)
    if (conv.index <= last) add_conv(tensors, std::to_string(conv.index), conv.out, conv.in, 3);
  return tensors;
}

/// decoder.pth: 9 convolutions among 29 modules.
inline NamedTensors random_decoder() {
  NamedTensors tensors;
  const struct {
    int index;
    std::int64_t out, in;
  } convs[] = {{1, 256, 512},  {5, 256, 256}, {8, 256, 256}, {11, 256, 256}, {14, 128, 256},
               {18, 128, 128}, {21, 64, 128}, {25, 64, 64},  {28, 3, 64}};
  for (const auto& conv : convs) add_conv(tensors, std::to_string(conv.index), conv.out, conv.in, 3);
  return tensors;
}

inline Tensor padded_conv(const Table& w, int index, const Tensor& x) {
  const std::string name = std::to_string(index);
  return at::conv2d(at::reflection_pad2d(x, {1, 1, 1, 1}), w.at(name + ".weight"), w.at(name + ".bias"));
}

/// RGB in 0..1 -> relu4_1.
inline Tensor relu4_1(const Table& w, const Tensor& picture) {
  Tensor x = at::conv2d(picture, w.at("0.weight"), w.at("0.bias"));
  const int kPool = 0;
  for (const int index : {2, 5, kPool, 9, 12, kPool, 16, 19, 22, 25, kPool, 29})
    x = index == kPool ? at::max_pool2d(x, {2, 2}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/true)
                       : padded_conv(w, index, x).clamp_min(0);
  return x;
}

inline Tensor decoded(const Table& w, Tensor x) {
  for (const int index : {1, 5, 8, 11, 14, 18, 21, 25}) {
    x = padded_conv(w, index, x).clamp_min(0);
    if (index == 1 || index == 14 || index == 21) x = x.repeat_interleave(2, 2).repeat_interleave(2, 3);
  }
  return padded_conv(w, 28, x);
}

/// The largest difference in units of the largest expected value.
inline double apart(const Tensor& got, const Tensor& expected) {
  REQUIRE(got.sizes() == expected.sizes());
  return ((got.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

/// float [1 3 H W] in 0..1, with large shapes and noise.
inline Tensor random_picture(std::int64_t height, std::int64_t width) {
  const Tensor coarse = at::upsample_bilinear2d(at::rand({1, 3, 5, 4}), {height, width}, false);
  return (0.7 * coarse + 0.3 * at::rand({1, 3, height, width})).clamp(0, 1);
}

}  // namespace limn::reference
