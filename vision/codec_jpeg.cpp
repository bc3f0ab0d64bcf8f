#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>

#include "core/ops.h"
#include "vision/raster.h"

// JPEG through libjpeg itself: OpenCV hides what is missing from a truncated file and rounds CMYK otherwise.
namespace limn {
namespace {

constexpr int kMostScans = 500;  // of a progressive file; each costs a pass over the whole picture

// libjpeg's hooks. Errors leave by longjmp to the one setjmp in decode_jpeg, so no C++ object lives between.
struct Decoder {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  jpeg_source_mgr source = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf leave = {};
  char message[JMSG_LENGTH_MAX] = {};

  ~Decoder() { jpeg_destroy_decompress(&info); }

  static Decoder& of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }
  [[noreturn]] void fail(const char* what) {
    std::snprintf(message, sizeof message, "%s", what);
    std::longjmp(leave, 1);
  }
};

[[noreturn]] void on_error(j_common_ptr info) {
  Decoder& decoder = Decoder::of(info);
  info->err->format_message(info, decoder.message);
  std::longjmp(decoder.leave, 1);
}

void on_message(j_common_ptr, int) {}
void on_output(j_common_ptr) {}
void on_source(j_decompress_ptr) {}

boolean on_end_of_data(j_decompress_ptr info) {
  Decoder::of(reinterpret_cast<j_common_ptr>(info)).fail("is truncated: the JPEG data end early");
}

void on_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer) on_end_of_data(info);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
}

void on_progress(j_common_ptr info) {
  if (info->is_decompressor && reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans)
    Decoder::of(info).fail("is damaged: the JPEG has too many scans");
}

void open(Decoder& decoder, std::span<const std::uint8_t> bytes) {
  decoder.info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = on_error;
  decoder.errors.emit_message = on_message;
  decoder.errors.output_message = on_output;
  decoder.info.client_data = &decoder;
  jpeg_create_decompress(&decoder.info);
  decoder.info.client_data = &decoder;
  decoder.source.next_input_byte = bytes.data();
  decoder.source.bytes_in_buffer = bytes.size();
  decoder.source.init_source = on_source;
  decoder.source.fill_input_buffer = on_end_of_data;
  decoder.source.skip_input_data = on_skip;
  decoder.source.resync_to_restart = jpeg_resync_to_restart;
  decoder.source.term_source = on_source;
  decoder.info.src = &decoder.source;
  decoder.progress.progress_monitor = on_progress;
  decoder.info.progress = &decoder.progress;
  jpeg_save_markers(&decoder.info, JPEG_APP0 + 1, 0xFFFF);
}

// Several EXIF segments are one block, as in Pillow; of XMP the last counts.
int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  std::string exif, xmp;
  for (auto* marker = info.marker_list; marker; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.starts_with(kExif)) exif += exif.empty() ? data : data.substr(kExif.size());
    if (data.starts_with(kXmp)) xmp = data.substr(kXmp.size());
  }
  const int orientation = exif_orientation(exif);
  return orientation != 1 ? orientation : xmp_orientation(xmp);
}

RasterMode mode_of(const jpeg_decompress_struct& info) {
  switch (info.num_components) {
    case 1:
      return RasterMode::grey;
    case 4:
      return RasterMode::cmyk;
    default:
      return RasterMode::rgb;
  }
}

}  // namespace

Raster decode_jpeg(const Encoded& file) {
  Decoder decoder;
  jpeg_decompress_struct& info = decoder.info;
  Raster raster;
  std::uint8_t* out = nullptr;
  std::size_t stride = 0;
  // Runs `step`; false when libjpeg left it by an error.
  const auto guarded = [&](auto step) {
    if (setjmp(decoder.leave)) return false;
    step();
    return true;
  };
  const auto check = [&](bool fine) {
    if (!fine)
      file.fail(decoder.message[0] == 'i' ? decoder.message : "is damaged: JPEG: " + std::string(decoder.message));
  };
  check(guarded([&] {
    open(decoder, file.bytes);
    jpeg_read_header(&info, TRUE);
  }));
  file.check_size(info.image_width, info.image_height);
  if (info.num_components == 2) file.fail("is of an unsupported kind: a JPEG with two components");
  raster.mode = mode_of(info);
  raster.orientation = orientation_of(info);
  raster.pixels =
      at::empty({info.image_height, info.image_width, info.num_components == 3 ? 3 : info.num_components}, at::kByte);
  out = raster.pixels.data_ptr<std::uint8_t>();
  stride = static_cast<std::size_t>(raster.pixels.stride(0));
  check(guarded([&] {
    info.out_color_space = raster.mode == RasterMode::grey   ? JCS_GRAYSCALE
                           : raster.mode == RasterMode::cmyk ? JCS_CMYK
                                                             : JCS_RGB;
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = out + info.output_scanline * stride;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  }));
  // Four components are stored inverted, as Adobe's programs do and Pillow assumes.
  if (raster.mode == RasterMode::cmyk) raster.pixels.bitwise_not_();
  return raster;
}

}  // namespace limn
