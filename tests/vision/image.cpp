#include "vision/image.h"

#include <fstream>
#include <opencv2/imgcodecs.hpp>

#include "core/files.h"
#include "core/ops.h"
#include "tests/catch.h"
#include "vision/raster.h"

using namespace limn;
using namespace std::string_literals;

namespace {

Image decode_text(const std::string& bytes, const DecodeOptions& options = {}) {
  return decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "picture", options);
}

std::vector<int> pixel(const Image& image, std::int64_t y, std::int64_t x) {
  const auto* p = image.pixels.contiguous().data_ptr<std::uint8_t>() + (y * image.width + x) * 3;
  return {p[0], p[1], p[2]};
}

// A smooth picture with every channel different, as a file of the given ending.
std::string encoded(const std::string& ending, const std::vector<int>& parameters = {}) {
  cv::Mat mat(24, 33, CV_8UC3);
  for (int y = 0; y < mat.rows; ++y)
    for (int x = 0; x < mat.cols; ++x)
      mat.at<cv::Vec3b>(y, x) = {static_cast<std::uint8_t>(x * 7), static_cast<std::uint8_t>(y * 10),
                                 static_cast<std::uint8_t>((x + y) * 4)};
  std::vector<std::uint8_t> bytes;
  REQUIRE(cv::imencode(ending, mat, bytes, parameters));
  return {bytes.begin(), bytes.end()};
}

// EXIF with one entry, the orientation.
std::string exif(int orientation, bool little = true) {
  const auto number = [&](int value, int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> 8 * (little ? i : count - 1 - i) & 0xFF);
    return bytes;
  };
  return (little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(1, 2) + number(0x112, 2) + number(3, 2) +
         number(1, 4) + number(orientation, 2) + number(0, 2) + number(0, 4);
}

std::string with_exif(const std::string& jpeg, int orientation) {
  const std::string block = "Exif\0\0"s + exif(orientation);
  const std::string length = {static_cast<char>((block.size() + 2) >> 8), static_cast<char>((block.size() + 2) & 0xFF)};
  return jpeg.substr(0, 2) + "\xFF\xE1" + length + block + jpeg.substr(2);
}

std::string message(const std::string& bytes, const DecodeOptions& options = {}) {
  try {
    decode_text(bytes, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "decoded";
}

Raster raster(RasterMode mode, const std::vector<std::int64_t>& values) {
  const auto channels = static_cast<std::int64_t>(values.size());
  return {.mode = mode, .pixels = at::tensor(values, at::kLong).to(at::kByte).view({1, 1, channels})};
}

Tensor one(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::kLong).to(at::kByte).view({1, 1, 3});
}

}  // namespace

TEST_CASE("decode: formats without loss give their pixels", "[vision][image]") {
  for (const std::string ending : {".png", ".bmp", ".ppm", ".tiff", ".webp", ".ras", ".pam"}) {
    CAPTURE(ending);
    const Image image = decode_text(
        encoded(ending, ending == ".webp" ? std::vector<int>{cv::IMWRITE_WEBP_QUALITY, 101} : std::vector<int>{}));
    REQUIRE(image.pixels.sizes() == at::IntArrayRef{24, 33, 3});
    CHECK(image.width == 33);
    CHECK(pixel(image, 3, 5) == std::vector<int>{32, 30, 35});
    CHECK(pixel(image, 23, 32) == std::vector<int>{220, 230, 224});
  }
}

TEST_CASE("decode: every proper part of a file is an error, never a picture or a crash", "[vision][image]") {
  for (const std::string ending : {".png", ".jpg", ".bmp", ".ppm", ".webp"}) {
    const std::string whole = encoded(ending);
    for (std::size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 17) {
      CAPTURE(ending, size, whole.size());
      CHECK_THROWS_AS(decode_text(whole.substr(0, size)), InputError);
    }
  }
  CHECK(message(encoded(".jpg").substr(0, 600)) == "picture: is truncated: the JPEG data end early");
  CHECK(message(encoded(".png").substr(0, 100)) == "picture: is truncated: the PNG data end early");
}

TEST_CASE("decode: damaged files never crash", "[vision][image]") {
  for (const std::string ending : {".png", ".jpg", ".bmp", ".ppm", ".webp", ".tiff"}) {
    const std::string whole = encoded(ending);
    for (std::size_t at = 0; at < whole.size(); at += 13) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (at % 2 ? 0xFF : 0x10));
      CAPTURE(ending, at);
      CHECK_NOTHROW(message(damaged));
    }
  }
}

TEST_CASE("decode says in a sentence what is wrong", "[vision][image]") {
  CHECK(message("") == "picture: is empty");
  CHECK(message("<html>not a picture</html>") ==
        "picture: is no picture in a format that is read (JPEG, PNG, GIF, TIFF, WebP, BMP, PNM, JPEG 2000)");
  CHECK(message("\0\0\0\x1C"s + "ftypheic\0\0\0\0mif1"s) ==
        "picture: is of an unsupported kind: HEIC, AVIF or a video; convert it to JPEG or PNG");
  CHECK_THROWS_WITH(read_image("/no/such/picture.jpg"), ContainsSubstring("/no/such/picture.jpg"));
  CHECK_THROWS_AS(read_image(std::filesystem::temp_directory_path()), InputError);
}

TEST_CASE("decode: a picture too large is refused before memory is taken", "[vision][image]") {
  // A PNG's heading alone, with its checksum, is enough.
  const std::string png = "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x75\x30\0\0\x75\x30\x01\0\0\0\0\x4E\x5C\xC5\x17"s;
  CHECK_THAT(message(png + "\0\0\0\0IDAT\x35\xAF\x06\x1E"s),
             ContainsSubstring("30000 x 30000 pixels, at most 178956970"));
  CHECK(message("P6 100000 100000 255\n") ==
        "picture: is too large: 100000 x 100000 pixels, at most 178956970 are decoded");
  CHECK(message(encoded(".png"), {.max_pixels = 791}) ==
        "picture: is too large: 33 x 24 pixels, at most 791 are decoded");
  CHECK(message(encoded(".png"), {.max_pixels = 792}) == "decoded");
  CHECK_THAT(message("P6 5000 5000 255\nfew"), ContainsSubstring("truncated"));
}

TEST_CASE("decode: EXIF orientations", "[vision][image]") {
  const std::string jpeg = encoded(".jpg");
  const Image plain = decode_text(jpeg);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Image turned = decode_text(with_exif(jpeg, orientation));
    Tensor expected = plain.pixels;
    if (orientation >= 5) expected = expected.transpose(0, 1);
    if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) expected = expected.flip({1});
    if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) expected = expected.flip({0});
    CHECK(turned.pixels.equal(expected));
    CHECK(decode_text(with_exif(jpeg, orientation), {.orientation = false}).pixels.equal(plain.pixels));
  }
  CHECK(decode_text(with_exif(jpeg, 9)).pixels.equal(plain.pixels));
}

TEST_CASE("orientation is read from EXIF of both byte orders, and from XMP", "[vision][image]") {
  CHECK(exif_orientation("Exif\0\0"s + exif(6)) == 6);
  CHECK(exif_orientation(exif(8, false)) == 8);
  CHECK(exif_orientation(exif(9)) == 1);
  CHECK(exif_orientation("") == 1);
  const std::string whole = exif(6);
  for (std::size_t size = 0; size < whole.size(); ++size) exif_orientation(whole.substr(0, size));  // must not crash
  CHECK(xmp_orientation("<rdf tiff:Orientation=\"3\"/>") == 3);
  CHECK(xmp_orientation("<tiff:Orientation>5</tiff:Orientation>") == 5);
  CHECK(xmp_orientation("<tiff:Orientation>") == 1);
  CHECK(xmp_orientation("nothing") == 1);
}

TEST_CASE("modes become RGB as Pillow converts them", "[vision][image]") {
  CHECK(raster_to_rgb(raster(RasterMode::grey, {77})).equal(one({77, 77, 77})));
  CHECK(raster_to_rgb(raster(RasterMode::grey_alpha, {77, 3})).equal(one({77, 77, 77})));
  CHECK(raster_to_rgb(raster(RasterMode::rgba, {1, 2, 3, 0})).equal(one({1, 2, 3})));
  CHECK(raster_to_rgb(raster(RasterMode::cmyk, {0, 0, 0, 0})).equal(one({255, 255, 255})));
  CHECK(raster_to_rgb(raster(RasterMode::cmyk, {255, 100, 30, 50})).equal(one({0, 125, 181})));
  CHECK(raster_over_white(raster(RasterMode::rgba, {1, 2, 3, 0})).equal(one({255, 255, 255})));
  CHECK(raster_over_white(raster(RasterMode::rgba, {10, 200, 30, 255})).equal(one({10, 200, 30})));
  CHECK(raster_over_white(raster(RasterMode::rgba, {10, 200, 30, 128})).equal(one({132, 227, 142})));
  Raster keyed = raster(RasterMode::grey, {77});
  keyed.transparent = {{77, 77, 77}};
  CHECK(raster_over_white(keyed).equal(one({255, 255, 255})));
}

TEST_CASE("decode: BMP, PNM and GIF by hand", "[vision][image]") {
  CHECK(pixel(decode_text("P1 # two\n2 1\n10\n"), 0, 0) == std::vector<int>{0, 0, 0});
  CHECK(pixel(decode_text("P2 2 1 3 1 3\n"), 0, 0) == std::vector<int>{85, 85, 85});
  CHECK(pixel(decode_text("P5 1 1 65535\n\x01\x02"), 0, 0) == std::vector<int>{255, 255, 255});  // clipped
  CHECK(pixel(decode_text("P5 1 1 65535\n"s + "\0\x09"s), 0, 0) == std::vector<int>{9, 9, 9});
  CHECK(pixel(decode_text("P6 1 1 65535\n\xFF\xFF\x80\x80"s + "\0\0"s), 0, 0) == std::vector<int>{255, 128, 0});
  CHECK_THAT(message("P2 2 1 3 1 4\n"), ContainsSubstring("exceeds the largest allowed"));

  // 2 x 1, 16 bits of 5-6-5, masks in place of a palette, top-down.
  const std::string bmp = "BM\0\0\0\0\0\0\0\0\x42\0\0\0\x28\0\0\0\x02\0\0\0\xFF\xFF\xFF\xFF\x01\0\x10\0\x03\0\0\0"s +
                          std::string(20, '\0') + "\0\xF8\0\0\xE0\x07\0\0\x1F\0\0\0"s + "\x1F\xF8\xE0\x03"s;
  CHECK(pixel(decode_text(bmp), 0, 0) == std::vector<int>{255, 0, 255});
  CHECK(pixel(decode_text(bmp), 0, 1) == std::vector<int>{0, 125, 0});

  // The 3 x 1 picture of indices 0 1 1 on a canvas of 4 x 2, drawn at (1, 1), index 2 transparent elsewhere.
  const std::string gif = "GIF89a\x04\0\x02\0\x91\0\0"s + "\x0A\x0B\x0C\x14\x15\x16\x1E\x1F\x20\0\0\0"s +
                          "!\xF9\x04\x01\0\0\x02\0"s + ",\x01\0\x01\0\x03\0\x01\0\0"s + "\x02\x02\x44\x52\0;"s;
  const Image image = decode_text(gif);
  REQUIRE(image.pixels.sizes() == at::IntArrayRef{2, 4, 3});
  CHECK(pixel(image, 0, 0) == std::vector<int>{30, 31, 32});
  CHECK(pixel(image, 1, 1) == std::vector<int>{10, 11, 12});
  CHECK(pixel(image, 1, 3) == std::vector<int>{20, 21, 22});
  CHECK(pixel(decode_text(gif, {.alpha = Alpha::over_white}), 0, 0) == std::vector<int>{255, 255, 255});
  CHECK_THAT(message(gif.substr(0, gif.size() - 3)), ContainsSubstring("truncated"));
}

TEST_CASE("write_image: written and read again, refused where it cannot be", "[vision][image]") {
  std::string pattern = (std::filesystem::temp_directory_path() / "limn-image-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()));
  const std::filesystem::path folder = pattern;
  const Tensor pixels = at::arange(5 * 4 * 3, at::kLong).mul(4).to(at::kByte).view({5, 4, 3});
  write_image(folder / "a.PNG", pixels);
  CHECK(read_image(folder / "a.PNG").pixels.equal(pixels));
  write_image(folder / "flat.jpg", at::full({8, 8, 3}, 90, at::kByte));
  CHECK(pixel(read_image(folder / "flat.jpg"), 4, 4) == std::vector<int>{90, 90, 90});
  CHECK_THROWS_WITH(write_image(folder / "a.gif", pixels),
                    ContainsSubstring("got the ending \".gif\", expected .png, .jpg or .jpeg"));
  CHECK_THROWS_AS(write_image(folder / "absent" / "a.png", pixels), WriteError);
  CHECK_THROWS_AS(write_image(folder / "b.png", pixels.to(at::kFloat)), InputError);
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 2);
  std::filesystem::remove_all(folder);
}
