#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace limn {

struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
};

/// Draws text into pictures with the fonts of the system. Not for use by several threads at once.
class Lettering {
 public:
  /// @param height  of a line's letters in pixels (the font's size)
  /// @param fonts   files that are asked first, before those found in the usual folders of the system
  explicit Lettering(int height, const std::vector<std::filesystem::path>& fonts = {});
  ~Lettering();
  Lettering(Lettering&&) noexcept;

  int line_height() const;
  int width(std::string_view utf8) const;
  /// Breaks text into lines of at most `pixels` width: at spaces, beside Chinese and Japanese characters, and where
  /// nothing else helps inside a word.
  std::vector<std::string> wrap(std::string_view utf8, int pixels) const;
  /// Draws one line with its upper left corner at (x, y); what lies outside the picture is cut off.
  /// @param pixels  uint8 [H W 3], contiguous
  void draw(Tensor& pixels, std::string_view utf8, int x, int y, Colour colour = {}) const;
  /// What could not be drawn so far, in words for the user ("no font has …; install fonts-wqy-microhei"); or empty.
  std::string note() const;

 private:
  struct Faces;
  std::unique_ptr<Faces> faces_;
};

}  // namespace limn
