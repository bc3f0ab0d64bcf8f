// The whole of liblimn_video.so.
#include "vision/video_module.h"

#include <cstdlib>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/video/tracking.hpp>
#include <opencv2/videoio.hpp>

namespace limn {

namespace {

struct Source final : FrameSource {
  cv::VideoCapture capture;
  cv::Mat frame;
  bool waiting = false;  // a frame was read ahead

  bool start() {
    // The first frame tells the size, turned as it is to be shown; some files announce what they do not hold.
    if (!capture.isOpened() || !capture.read(frame) || frame.empty() || frame.type() != CV_8UC3) return false;
    waiting = true;
    width = frame.cols;
    height = frame.rows;
    const double count = capture.get(cv::CAP_PROP_FRAME_COUNT), fps = capture.get(cv::CAP_PROP_FPS);
    frames = count > 0 && count < 1e9 ? static_cast<std::int64_t>(count) : 0;
    rate = fps > 0 && fps < 1000 ? fps : 0;
    return true;
  }
  bool next(std::uint8_t* rgb) override {
    if (!std::exchange(waiting, false) && !capture.read(frame)) return false;
    if (frame.cols != width || frame.rows != height || frame.type() != CV_8UC3) return false;
    cv::cvtColor(frame, cv::Mat(frame.rows, frame.cols, CV_8UC3, rgb), cv::COLOR_BGR2RGB);
    return true;
  }
};

struct Sink final : FrameSink {
  cv::VideoWriter writer;
  cv::Mat frame;
  int width = 0, height = 0;
  void write(const std::uint8_t* rgb) override {
    cv::cvtColor(cv::Mat(height, width, CV_8UC3, const_cast<std::uint8_t*>(rgb)), frame, cv::COLOR_RGB2BGR);
    writer.write(frame);
  }
};

// What is wrong is said by whoever asked; OpenCV and its codecs say it again, and more.
void be_silent() {
  setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

std::unique_ptr<FrameSource> open(const std::string& file) {
  be_silent();
  for (const int reader : {cv::CAP_FFMPEG, cv::CAP_OPENCV_MJPEG}) try {
      auto source = std::make_unique<Source>();
      source->capture.open(file, reader);
      if (source->start()) return source;
    } catch (const cv::Exception&) {
    }
  return nullptr;
}

std::unique_ptr<FrameSource> camera(int number) try {
  be_silent();
  auto source = std::make_unique<Source>();
  source->capture.open(number, cv::CAP_ANY);
  if (!source->start()) return nullptr;
  source->frames = 0;
  return source;
} catch (const cv::Exception&) {
  return nullptr;
}

std::unique_ptr<FrameSink> create(const std::string& file, std::int64_t width, std::int64_t height, double rate) {
  be_silent();
  const std::string ending = file.substr(file.rfind('.') + 1);
  struct Codec {
    int writer;
    const char* code;
  };
  std::vector<Codec> codecs{{cv::CAP_FFMPEG, "avc1"}, {cv::CAP_FFMPEG, "mp4v"}};
  if (ending == "webm") codecs = {{cv::CAP_FFMPEG, "VP80"}};
  if (ending == "avi") codecs = {{cv::CAP_FFMPEG, "MJPG"}, {cv::CAP_OPENCV_MJPEG, "MJPG"}};  // its own rounds rates
  for (const auto& [writer, code] : codecs) try {
      auto sink = std::make_unique<Sink>();
      const cv::Size size(static_cast<int>(width), static_cast<int>(height));
      sink->width = size.width;
      sink->height = size.height;
      if (sink->writer.open(file, writer, cv::VideoWriter::fourcc(code[0], code[1], code[2], code[3]), rate, size))
        return sink;
    } catch (const cv::Exception&) {
    }
  return nullptr;
}

void flow(const std::uint8_t* picture, const std::uint8_t* other, std::int64_t height, std::int64_t width, float* xy) {
  const auto grey = [&](const std::uint8_t* pixels) {
    return cv::Mat(static_cast<int>(height), static_cast<int>(width), CV_8UC1, const_cast<std::uint8_t*>(pixels));
  };
  cv::Mat found;  // one of the right size would be taken for a first guess
  cv::DISOpticalFlow::create(cv::DISOpticalFlow::PRESET_MEDIUM)->calc(grey(picture), grey(other), found);
  found.copyTo(cv::Mat(found.rows, found.cols, CV_32FC2, xy));
}

}  // namespace

extern "C" const VideoModule* limn_video_module() {
  static const VideoModule module{open, camera, create, flow};
  return &module;
}

}  // namespace limn
