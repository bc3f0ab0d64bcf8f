#include "vision/video.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "core/ops.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

// It uses what it was linked with before what the program holds: SentencePiece has brought the small half of protobuf,
// and OpenCV's networks need the whole. The address sanitizer ends programs that load anything so.
void* load_module() {
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__)
  return ::dlopen("liblimn_video.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);  // found by the program's own rpath
#else
  return nullptr;
#endif
}

std::string ending_of(const fs::path& file) {
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending;
}

}  // namespace

const VideoModule& video_module() {
  static const VideoModule* const module = []() -> const VideoModule* {
    void* const library = load_module();
    if (!library) return nullptr;
    const auto get = reinterpret_cast<const VideoModule* (*)()>(::dlsym(library, "limn_video_module"));
    return get ? get() : nullptr;
  }();
  if (!module)
    throw InputError(
        "video: this program has no video part: liblimn_video.so, which is built where OpenCV's video "
        "and videoio modules are installed");
  return *module;
}

bool is_clip_name(const fs::path& file) {
  static const char* const endings[] = {".mp4", ".m4v", ".mov", ".mkv",  ".webm", ".avi",
                                        ".mpg", ".wmv", ".ogv", ".mpeg", ".3gp",  ".mts"};
  return std::ranges::find(endings, ending_of(file)) != std::end(endings);
}

Clip::Clip(const fs::path& file) {
  if (std::error_code error; !fs::exists(file, error)) throw InputError(file.string() + ": No such file or directory");
  source_ = video_module().open(file.string());
  if (!source_) throw InputError(file.string() + ": clip: no frame of it can be decoded");
}

Clip::Clip(int camera) : source_(video_module().camera(camera)) {
  if (!source_)
    throw InputError("camera:" + std::to_string(camera) + ": no picture comes from there; is there such a camera?");
}

Tensor Clip::next() {
  const Tensor frame = at::empty({source_->height, source_->width, 3}, at::kByte);
  return source_->next(frame.data_ptr<std::uint8_t>()) ? frame : Tensor();
}

ClipFile::ClipFile(const fs::path& file, std::int64_t height, std::int64_t width, double rate)
    : file_(file), height_(height), width_(width) {
  const std::string ending = ending_of(file);
  static const char* const known[] = {".mp4", ".mov", ".mkv", ".avi", ".webm"};
  if (std::ranges::find(known, ending) == std::end(known))
    throw InputError(file.string() + ": clip: got \"" + ending + "\", expected .mp4, .mov, .mkv, .avi or .webm");
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (::access(folder.c_str(), W_OK) != 0)
    throw WriteError(file.string() + ": cannot be written: " + std::generic_category().message(errno));
  std::string name(".");
  temporary_ =
      folder / name.append(file.stem().string()).append(".partial-").append(std::to_string(::getpid())).append(ending);
  sink_ = video_module().create(temporary_.string(), width, height, rate);
  if (!sink_) throw WriteError(file.string() + ": cannot be written: no codec for " + ending + " is installed");
}

ClipFile::~ClipFile() {
  if (!sink_) return;
  sink_.reset();
  std::error_code error;
  fs::remove(temporary_, error);
}

void ClipFile::write(const Tensor& frame) {
  if (frame.sizes() != at::IntArrayRef({height_, width_, 3}))
    throw InputError("clip: frame [H W 3]: got " + shape_text(frame.sizes()) + ", expected " +
                     shape_text({height_, width_, 3}));
  const Tensor pixels = frame.contiguous();
  sink_->write(pixels.const_data_ptr<std::uint8_t>());
}

void ClipFile::finish() {
  sink_.reset();  // writes what a reader needs to find frames
  std::error_code error;
  if (fs::file_size(temporary_, error) == 0 || error) {
    fs::remove(temporary_, error);
    throw WriteError(file_.string() + ": cannot be written: the codec wrote nothing");
  }
  fs::rename(temporary_, file_, error);
  if (error) {
    const std::string why = error.message();
    fs::remove(temporary_, error);
    throw WriteError(file_.string() + ": cannot be written: " + why);
  }
}

Tensor optical_flow(const Tensor& picture, const Tensor& other) {
  const auto [H, W] = dims<2>(picture, "optical_flow: picture [H W]");
  if (other.sizes() != picture.sizes())
    throw InputError("optical_flow: got " + shape_text(other.sizes()) + " and " + shape_text(picture.sizes()) +
                     ", expected pictures of one size");
  if (std::min(H, W) < 16) return at::zeros({2, H, W});  // the search begins with patches of 8 at half size
  const Tensor a = picture.contiguous(), b = other.contiguous(), xy = at::empty({H, W, 2});
  video_module().flow(a.const_data_ptr<std::uint8_t>(), b.const_data_ptr<std::uint8_t>(), H, W, xy.data_ptr<float>());
  return xy.permute({2, 0, 1}).contiguous();
}

}  // namespace limn
