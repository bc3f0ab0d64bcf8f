#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace limn {

// What lies between the program and liblimn_video.so, which holds OpenCV's video parts. They draw in a hundred
// libraries more, and a neural network's with another protobuf; so they are loaded when a clip is read, not with every
// command. Frames are RGB, row by row.

struct FrameSource {
  std::int64_t width = 0, height = 0;
  std::int64_t frames = 0;  ///< as the file announces them; 0: unknown
  double rate = 0;          ///< frames a second; 0: unknown
  virtual ~FrameSource() = default;
  virtual bool next(std::uint8_t* rgb) = 0;  ///< false at the end
};

/// Ends the file where it is destroyed.
struct FrameSink {
  virtual ~FrameSink() = default;
  virtual void write(const std::uint8_t* rgb) = 0;
};

/// Each pointer is null where the file, the camera or the codec cannot be opened.
struct VideoModule {
  std::unique_ptr<FrameSource> (*open)(const std::string& file);
  std::unique_ptr<FrameSource> (*camera)(int number);
  std::unique_ptr<FrameSink> (*create)(const std::string& file, std::int64_t width, std::int64_t height, double rate);
  /// Dense inverse search: where each pixel of a grey picture lies in another, x and y, [height width 2].
  /// Source: Kroeger et al. 2016, https://arxiv.org/abs/1603.03590.
  void (*flow)(const std::uint8_t* picture, const std::uint8_t* other, std::int64_t height, std::int64_t width,
               float* xy);
};

}  // namespace limn
