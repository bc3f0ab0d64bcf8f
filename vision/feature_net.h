#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/weights.h"

namespace limn {

/// Features of an ImageNet classifier at four depths, for perceptual losses and measures. Its weights stay as they are;
/// gradients reach the pictures.
struct FeatureNet {
  static constexpr std::size_t kDepths = 4;

  struct Conv {
    Tensor weight, bias;
    std::int64_t stride, padding;
    Tensor operator()(const Tensor& x) const;  // and ReLU
  };
  /// A convolution, or SqueezeNet's three; before it perhaps a pooling, after it perhaps one of the depths.
  struct Stage {
    bool pool = false, keep = false;
    std::vector<Conv> convs;  ///< one, or squeeze, expand 1 x 1, expand 3 x 3
  };
  std::string name;        ///< "SqueezeNet 1.1"
  Tensor mean, deviation;  ///< [1 3 1 1] of the pictures that it knows, RGB in 0..1
  std::int64_t pool = 3;   ///< side of the poolings, stride 2; SqueezeNet's end beyond the border (ceil)
  std::vector<Stage> stages;

  /// @param pictures  float [B 3 H W], RGB in 0..1, sides of at least 32
  /// @return the features after their ReLU, shallow to deep, [B C h w] each. SqueezeNet: conv1, fire3, fire5, fire8;
  ///         VGG: relu1_1, relu2_1, relu3_1, relu4_1
  std::vector<Tensor> operator()(const Tensor& pictures) const;
};

/// Opens SqueezeNet 1.1 (Caffe's layer names, BGR) or a VGG-16 or VGG-19 as torchvision saves it.
/// @throws CheckpointError where the file is neither
FeatureNet open_feature_net(const std::filesystem::path& file, const Placement& placement = {});

}  // namespace limn
