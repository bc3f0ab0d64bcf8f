#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "vision/image.h"

namespace limn {

/// A drawn picture, and what the user should know about it (a font that is missing), or empty.
struct Drawing {
  Tensor pixels;  // uint8 [H W 3]
  std::string note;
};

/// The picture as a sheet shows it: its longer side at most `side`, never enlarged. Sheets of many large pictures are
/// made of these, so that only one is in memory at full size. @return uint8 [h w 3]
Tensor fitted(const Image& image, std::int64_t side);

/// A picture and the words under it. Where `image.pixels` is undefined an empty frame stands for it.
struct SheetEntry {
  Image image;
  std::vector<std::string> captions;  ///< UTF-8; each begins a line and is wrapped
};

/// @param picture  uint8 [3 H W]. @return it without captions
SheetEntry sheet_entry(const Tensor& picture);

struct SheetOptions {
  std::int64_t columns = 0;  ///< 0: as many as make the sheet about as wide as high, at most 6
  std::int64_t side = 320;   ///< pictures are fitted into a square of this many pixels; smaller ones are not enlarged
  int letters = 15;          ///< size of the letters in pixels
  std::string title;
  std::vector<std::filesystem::path> fonts;  ///< asked before the system's
};

/// Pictures in rows, each with its captions under it, on white.
/// @throws InputError for no entries, or a side below 16
Drawing contact_sheet(std::span<const SheetEntry> entries, const SheetOptions& options = {});

/// A line of a plot: y over x, of equal length; points that are not finite interrupt the line.
struct Series {
  std::string name;
  std::vector<double> x, y;
};

struct PlotOptions {
  std::int64_t width = 960, height = 540;
  std::string title, x_label, y_label;
  bool log_y = false;  ///< numbers below or equal to 0 interrupt the line then
  std::vector<std::filesystem::path> fonts;
};

/// A plot with axes, grid and legend; for the curves of a training.
/// @throws InputError where a series' x and y differ in length, or the size is below 200 x 120
Drawing line_plot(std::span<const Series> series, const PlotOptions& options = {});

}  // namespace limn
