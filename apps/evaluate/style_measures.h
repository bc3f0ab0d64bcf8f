#pragma once

#include <vector>

#include "core/tensor.h"

namespace limn {

/// Mean and deviation of a picture's features at every depth, by which its style is known. [B C] each.
struct FeatureMoments {
  std::vector<Tensor> mean, deviation;
};

/// @param features  of a FeatureNet, [B C h w] each
/// @param region    [B 1 H W] of any size, or undefined: how much each place counts
FeatureMoments feature_moments(const std::vector<Tensor>& features, const Tensor& region = {});

/// What a mixture of styles should have: moments added up by shares.
/// @param shares  as many as styles, [B] each or single numbers
FeatureMoments mixed_moments(const std::vector<FeatureMoments>& styles, const std::vector<Tensor>& shares);

/// How far a picture's style is from what is wanted: over depths the mean of (squared difference of means + of
/// deviations) / (mean of the wanted mean's square + deviation's square). [B]; differentiable
Tensor style_distance(const FeatureMoments& of, const FeatureMoments& wanted);

/// How far what is seen is from the content: over the depths but the first and over places the mean squared distance
/// of the features at length 1. [B]; differentiable
Tensor content_distance(const std::vector<Tensor>& of, const std::vector<Tensor>& content);

/// Structural similarity of brightness, Gaussian window of 11 (Wang et al. 2004). float [B 3 H W] in 0..1 -> [B]
Tensor structural_similarity(const Tensor& a, const Tensor& b);

/// Sliced Wasserstein distance of 7 x 7 colour patches over four scales: 128 fixed directions, 2,048 patches each.
/// Knows no network. float [1 3 H W] in 0..1, sides of at least 64
double patch_distance(const Tensor& a, const Tensor& b);

/// Peak signal-to-noise ratio in dB of pictures in 0..1.
double peak_ratio(const Tensor& a, const Tensor& b);

}  // namespace limn
