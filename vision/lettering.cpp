#include "vision/lettering.h"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <map>

#include "core/ops.h"
#include "core/utf8.h"

namespace limn {
namespace {

// Asked in this order for each character: Latin letters from the first, ideographs from the first that has them.
constexpr const char* kFontNames[] = {"DejaVuSans.ttf",
                                      "LiberationSans-Regular.ttf",
                                      "NotoSans-Regular.ttf",
                                      "FreeSans.ttf",
                                      "wqy-microhei.ttc",
                                      "NotoSansCJK-Regular.ttc",
                                      "NotoSansCJKsc-Regular.otf",
                                      "wqy-zenhei.ttc",
                                      "DroidSansFallback.ttf",
                                      "DroidSansFallbackFull.ttf",
                                      "uming.ttc",
                                      "ukai.ttc"};
constexpr const char* kFontFolders[] = {"/usr/share/fonts", "/usr/local/share/fonts"};

std::vector<std::filesystem::path> system_fonts() {
  std::map<std::string, std::filesystem::path> found;
  for (const char* folder : kFontFolders) {
    std::error_code error;
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    for (std::filesystem::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end;
         entry.increment(error))
      found.emplace(entry->path().filename().string(), entry->path());
  }
  std::vector<std::filesystem::path> fonts;
  for (const char* name : kFontNames)
    if (const auto font = found.find(name); font != found.end()) fonts.push_back(font->second);
  return fonts;
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> result;
  for (std::size_t at = 0; at < text.size();) result.push_back(next_code_point(text, at));
  return result;
}

// Characters that a line may break beside.
bool is_cjk(char32_t c) {
  return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF00 && c <= 0xFFEF) || c >= 0x20000;
}

}  // namespace

struct Lettering::Faces {
  int height;
  FT_Library library = nullptr;
  std::vector<FT_Face> faces;
  bool missing = false;  // a character that no font has was asked for

  Faces(int pixels, const std::vector<std::filesystem::path>& fonts) : height(pixels) {
    if (FT_Init_FreeType(&library)) return;
    std::vector<std::filesystem::path> files = fonts;
    for (auto& font : system_fonts()) files.push_back(std::move(font));
    for (const auto& file : files) {
      FT_Face face = nullptr;
      if (FT_New_Face(library, file.c_str(), 0, &face)) continue;
      FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(height));
      faces.push_back(face);
    }
  }
  ~Faces() {
    for (FT_Face face : faces) FT_Done_Face(face);
    if (library) FT_Done_FreeType(library);
  }
  Faces(const Faces&) = delete;
  Faces& operator=(const Faces&) = delete;

  // Loads a character's glyph; null where no font has it.
  FT_GlyphSlot glyph(char32_t code, bool render) {
    for (FT_Face face : faces) {
      const FT_UInt index = FT_Get_Char_Index(face, code);
      if (index && !FT_Load_Glyph(face, index, render ? FT_LOAD_RENDER : FT_LOAD_DEFAULT)) return face->glyph;
    }
    missing = true;
    return nullptr;
  }

  int advance(char32_t code) {
    const FT_GlyphSlot slot = glyph(code, false);
    return slot ? static_cast<int>(slot->advance.x >> 6) : height;
  }
};

Lettering::Lettering(int height, const std::vector<std::filesystem::path>& fonts)
    : faces_(std::make_unique<Faces>(height, fonts)) {}
Lettering::~Lettering() = default;
Lettering::Lettering(Lettering&&) noexcept = default;

int Lettering::line_height() const { return faces_->height + (faces_->height * 2 + 4) / 5; }

int Lettering::width(std::string_view utf8) const {
  int sum = 0;
  for (const char32_t code : code_points(utf8)) sum += faces_->advance(code);
  return sum;
}

std::vector<std::string> Lettering::wrap(std::string_view utf8, int pixels) const {
  std::vector<std::string> lines;
  std::vector<char32_t> line;
  std::size_t breakable = 0;  // characters of `line` that may stay when it must end
  int used = 0;
  const auto end_line = [&](std::size_t keep) {
    std::string text;
    for (std::size_t i = 0; i < keep; ++i) append_utf8(text, line[i]);
    while (text.ends_with(' ')) text.pop_back();
    lines.push_back(text);
    while (keep < line.size() && line[keep] == ' ') ++keep;
    line.erase(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(keep));
    breakable = 0;
    used = 0;
    for (const char32_t code : line) used += faces_->advance(code);
  };
  for (const char32_t code : code_points(utf8)) {
    if (code == '\n') {
      end_line(line.size());
      continue;
    }
    if (code < 0x20) continue;
    if (is_cjk(code) || (!line.empty() && (line.back() == ' ' || is_cjk(line.back())))) breakable = line.size();
    const int advance = faces_->advance(code);
    if (used + advance > pixels && !line.empty() && code != ' ') end_line(breakable > 0 ? breakable : line.size());
    if (line.empty() && code == ' ') continue;
    line.push_back(code);
    used += advance;
  }
  if (!line.empty()) end_line(line.size());
  return lines;
}

namespace {

void blend(Tensor& pixels, int x, int y, int coverage, Colour colour) {
  if (x < 0 || y < 0 || x >= pixels.size(1) || y >= pixels.size(0)) return;
  auto* pixel = pixels.data_ptr<std::uint8_t>() + (std::int64_t{y} * pixels.size(1) + x) * 3;
  const int ink[3] = {colour.red, colour.green, colour.blue};
  for (int c = 0; c < 3; ++c)
    pixel[c] = static_cast<std::uint8_t>((pixel[c] * (255 - coverage) + ink[c] * coverage + 127) / 255);
}

}  // namespace

void Lettering::draw(Tensor& pixels, std::string_view utf8, int x, int y, Colour colour) const {
  const int baseline = y + faces_->height;
  for (const char32_t code : code_points(utf8)) {
    const FT_GlyphSlot slot = faces_->glyph(code, true);
    if (!slot) {  // an empty box
      const int side = faces_->height * 3 / 4;
      for (int i = 0; i < side; ++i) {
        for (const auto& [dx, dy] : {std::pair{i, 0}, {i, side - 1}, {0, i}, {side - 1, i}})
          blend(pixels, x + 1 + dx, baseline - side + dy, 255, colour);
      }
      x += faces_->height;
      continue;
    }
    const FT_Bitmap& bitmap = slot->bitmap;
    if (bitmap.pixel_mode == FT_PIXEL_MODE_GRAY)
      for (int row = 0; row < static_cast<int>(bitmap.rows); ++row)
        for (int column = 0; column < static_cast<int>(bitmap.width); ++column)
          blend(pixels, x + slot->bitmap_left + column, baseline - slot->bitmap_top + row,
                bitmap.buffer[row * bitmap.pitch + column], colour);
    x += static_cast<int>(slot->advance.x >> 6);
  }
}

std::string Lettering::note() const {
  if (faces_->faces.empty())
    return "no font was found, letters are boxes; install fonts-dejavu-core and fonts-wqy-microhei";
  if (faces_->missing) return "no font has some of the characters, they are boxes; install fonts-wqy-microhei";
  return "";
}

}  // namespace limn
