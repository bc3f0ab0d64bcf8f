#pragma once

#include <filesystem>
#include <memory>

#include "core/tensor.h"
#include "vision/video_module.h"

namespace limn {

/// OpenCV's video parts, loaded at the first call.
/// @throws InputError where the program was installed without them
const VideoModule& video_module();

/// Whether a file's name ends as clips' names do: .mp4, .mov, .mkv, .avi, .webm, …
bool is_clip_name(const std::filesystem::path& file);

/// A clip's or a camera's frames, one after the other.
class Clip {
 public:
  /// @throws InputError where it is no clip that can be decoded
  explicit Clip(const std::filesystem::path& file);
  /// @throws InputError where there is no such camera
  explicit Clip(int camera);
  const FrameSource& about() const { return *source_; }
  Tensor next();  ///< uint8 [H W 3]; undefined at the end

 private:
  std::unique_ptr<FrameSource> source_;
};

/// A clip that grows frame by frame under a temporary name beside its own and appears whole, or not at all. Sound is
/// not kept. The name's ending chooses: .mp4, .mov, .mkv (H.264, where it cannot be written MPEG-4), .avi (JPEG
/// pictures), .webm (VP8).
class ClipFile {
 public:
  /// @param rate  frames a second
  /// @throws WriteError where it cannot be written, InputError for other endings
  ClipFile(const std::filesystem::path& file, std::int64_t height, std::int64_t width, double rate);
  ~ClipFile();  ///< what was not finished is removed
  ClipFile(const ClipFile&) = delete;
  ClipFile& operator=(const ClipFile&) = delete;
  void write(const Tensor& frame);  ///< @param frame  uint8 [H W 3]
  void finish();                    ///< @throws WriteError

 private:
  std::filesystem::path file_, temporary_;
  std::int64_t height_, width_;
  std::unique_ptr<FrameSink> sink_;
};

/// Where each pixel of a picture lies in another of the same size. uint8 [H W] each -> float [2 H W], x and y in
/// pixels.
Tensor optical_flow(const Tensor& picture, const Tensor& other);

}  // namespace limn
