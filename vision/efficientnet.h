#pragma once

#include <optional>

#include "core/packed_linear.h"
#include "core/weights.h"

namespace limn {

/// One stage of inverted bottlenecks with equal width.
struct EfficientNetStage {
  std::int64_t expand = 0, kernel = 0, stride = 0, repeats = 0, out = 0;
};

struct EfficientNetConfig {
  std::int64_t stem = 0;  ///< channels of the first convolution (3 x 3, stride 2)
  std::int64_t head = 0;  ///< channels of the last 1 x 1 convolution
  std::vector<EfficientNetStage> stages;
};

/// EfficientNet-Lite 0..4 as published: widths rounded to eights, first and last stage not repeated more.
/// @throws InputError for another number
EfficientNetConfig efficientnet_lite(int number);

/// A convolution with its batch norm folded in.
struct FoldedConv {
  Tensor weight, bias;  // [out in/groups k k], [out]; on the CPU in inference [k k C] where depthwise, else undefined:
  std::shared_ptr<PackedLinear> product;  // then the weights lie here, [out k k in]
  std::int64_t kernel = 1, stride = 1;
  bool depthwise = false;
  bool own = false;  // by our own kernels
  FoldedConv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
             bool depthwise);
  /// @param x  [B H W C] -> [B H' W' C'], padded as TensorFlow's SAME; relu6 on request
  Tensor operator()(const Tensor& x, bool relu6) const;

 private:
  Tensor as_loaded() const;  // the weights as at::conv2d wants them
};

/// EfficientNet-Lite without its classifier: pictures to a grid of features.
/// Batch norms are folded into the convolutions; activations are channels-last. On the CPU without gradients pointwise
/// convolutions are matrix products and depthwise ones an own kernel; elsewhere both are at::conv2d.
/// Source: Tan and Le 2019, https://arxiv.org/abs/1905.11946; the Lite variant: no squeeze-excite, ReLU6.
struct EfficientNet {
  struct Bottleneck {
    std::optional<FoldedConv> expand;
    FoldedConv depthwise, project;
    bool residual;
  };
  FoldedConv stem;
  std::vector<Bottleneck> blocks;
  FoldedConv head;
  EfficientNet(const Weights& w, const EfficientNetConfig& c);

  /// The grid below the head convolution. @param pixels  [B 3 H W], (RGB - 127) / 128 -> [B H/32 W/32 C]
  Tensor grid(const Tensor& pixels) const;
  /// The head convolution with its ReLU6. [B h w C] -> [B h w head]
  Tensor features(const Tensor& grid) const { return head(grid, true); }
};

/// The public PyTorch files' tensors (`_conv_stem`, `_blocks.N._bn1`, ...) under our names with batch norms folded
/// (eps 1e-3); the classifier is left out. @throws CheckpointError naming what is missing
TensorTable fold_efficientnet(const TensorTable& published, const EfficientNetConfig& config, const std::string& what);

}  // namespace limn
