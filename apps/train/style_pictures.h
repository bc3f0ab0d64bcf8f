#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// The pictures that folders and names give, without those of the names in `left_out`.
/// @throws InputError where one does not exist, or none is left
std::vector<std::filesystem::path> training_pictures(const std::vector<std::filesystem::path>& sources,
                                                     const std::vector<std::string>& left_out);

/// A random square of a picture: resized so that its shorter side is `side` to `largest` times `side` (but not enlarged
/// beyond need), cut, perhaps mirrored. @return float [3 side side] in 0..1
Tensor random_crop(const std::filesystem::path& picture, std::int64_t side, double largest, std::mt19937_64& random);

/// The middle square, resized to `side`. @return float [3 side side] in 0..1
Tensor middle_square(const std::filesystem::path& picture, std::int64_t side);

/// A style that nobody painted: strokes, dots, cells or clouds in a few random colours. float [3 side side] in 0..1
Tensor drawn_style(std::int64_t side, std::mt19937_64& random);

enum class Pattern { strokes, dots, cells, clouds, stripes };

struct StyleDrawing {
  Tensor palette;  ///< float [n 3] in 0..1, n >= 2: each colour gets about as much of the picture as every other
  Pattern pattern = Pattern::strokes;
  int fineness = 0;  ///< below 0 coarse, above 0 fine, 0 any
  int hardness = 0;  ///< below 0 soft edges, above 0 hard ones, 0 any
};

/// A style that was wished for. float [3 side side] in 0..1
Tensor drawn_style(const StyleDrawing& wish, std::int64_t side, std::mt19937_64& random);

/// A soft-edged half plane or ellipse. float [1 1 side side] in 0..1
Tensor random_region(std::int64_t side, std::mt19937_64& random);

}  // namespace limn
