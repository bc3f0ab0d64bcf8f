#include "apps/stylize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ostream>
#include <sstream>

#include "apps/inputs.h"
#include "apps/models.h"
#include "apps/pictures.h"
#include "apps/results.h"
#include "apps/stylize_room.h"
#include "apps/stylize_video.h"
#include "apps/text_styles.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/tile.h"
#include "vision/compose.h"
#include "vision/drawing.h"
#include "vision/image.h"
#include "vision/resize.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

Tensor planar(const Tensor& pixels) { return pixels.permute({2, 0, 1}).contiguous(); }  // [H W 3] -> [3 H W]

/// The picture, its longer side brought to `side` where that is asked. @return uint8 [H W 3]
Tensor at_size(const Tensor& pixels, double scale) {
  const auto side = [scale](std::int64_t length) {
    return std::max<std::int64_t>(std::llround(scale * static_cast<double>(length)), 1);
  };
  return scale == 1 ? pixels : resize(pixels, side(pixels.size(0)), side(pixels.size(1)));
}

std::vector<Tensor> read_masks(const std::vector<fs::path>& files, std::int64_t height, std::int64_t width) {
  std::vector<Tensor> masks;
  for (const fs::path& file : files) masks.push_back(read_canvas_mask(file, height, width));
  return masks;
}

/// Words where pictures are expected: told what is possible.
void check_pictures(const StylizeCommand& o) {
  const auto is_words = [](const fs::path& given) {
    const std::string ending = given.extension().string();
    return !fs::exists(given) && !is_clip(given) && (ending.size() < 2 || ending.find(' ') != std::string::npos);
  };
  for (const fs::path& content : o.contents)
    if (is_words(content))
      throw InputError(content.string() +
                       ": no such file; a content is a picture. What words name cannot be drawn: words can be a style "
                       "(--style-text), and `limn search` finds pictures of yours by words");
  for (const fs::path& style : o.styles)
    if (is_words(style)) throw InputError(style.string() + ": no such file; a style in words is given by --style-text");
}

void check_counts(const StylizeCommand& o) {
  const std::size_t styles = style_count(o);
  if (styles == 0) throw UsageError("stylize: got no style; give pictures with --style, words with --style-text");
  check_one_for_each("--shares", o.shares.size(), styles, "styles");
  check_one_for_each("--style-mask", o.style_masks.size(), styles, "styles");
  check_one_for_each("--content-mask", o.content_masks.size(), o.contents.size(), "contents");
  if (!o.save_style.empty() && (styles != 1 || (o.texts.empty() && o.styles[0].extension() == ".style")))
    throw UsageError("--save-style: expected one style, given as a picture or in words");
  check_pictures(o);
  if (!(o.style_scale > 0))
    throw UsageError("--style-scale: got " + std::to_string(o.style_scale) + ", expected more than 0");
}

Composed read_canvas(const StylizeCommand& o) {
  std::vector<Tensor> contents;
  double scale = 1;
  for (const fs::path& file : o.contents) {
    const Tensor pixels = read_image(file).pixels;
    if (contents.empty() && o.size > 0)
      scale = static_cast<double>(o.size) / static_cast<double>(std::max(pixels.size(0), pixels.size(1)));
    contents.push_back(planar(at_size(pixels, scale)));
  }
  Composed canvas = compose(contents, read_masks(o.content_masks, contents[0].size(1), contents[0].size(2)),
                            parse_compose_mode(o.compose));
  if (o.tile) {
    const auto step = [](std::int64_t side) {
      return std::max<std::int64_t>((side + kTileStep / 2) / kTileStep, 2) * kTileStep;
    };
    const Tensor& picture = canvas.picture;
    canvas.picture =
        planar(resize(picture.permute({1, 2, 0}).contiguous(), step(picture.size(1)), step(picture.size(2))));
  }
  return canvas;
}

constexpr const char* kStyleFile = "limn style";

/// Tells models apart by what they read of a fixed picture: a style that one read is nothing to another.
std::string reader_mark(const Stylizer& stylizer) {
  const Tensor ramp = at::arange(3 * 24 * 24, at::kLong).remainder(251).view({3, 24, 24}).to(at::kByte);
  Hash64 hash;
  for (const Tensor& tensor : read_style(stylizer, ramp)) {
    const Tensor values = (tensor.cpu().to(at::kDouble) * 1e3).round().to(at::kLong).contiguous();
    hash.update({static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
  }
  return std::to_string(hash.value());
}

void write_style(const fs::path& file, const Stylizer& stylizer, const std::vector<Tensor>& style) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (std::size_t i = 0; i < style.size(); ++i) tensors.emplace_back(std::to_string(i), style[i].to(at::kFloat));
  write_safetensors(file, tensors, {{"format", kStyleFile}, {"reader", reader_mark(stylizer)}});
}

/// A style as `--save-style` wrote it.
std::vector<Tensor> read_style_file(const fs::path& file, const Stylizer& stylizer) {
  auto metadata = safetensors_metadata(file);
  if (metadata["format"] != kStyleFile) throw InputError(file.string() + ": is no style that --save-style wrote");
  if (metadata["reader"] != reader_mark(stylizer))
    throw InputError(file.string() + ": was read by another model; read the style's picture anew with --save-style");
  std::vector<Tensor> style;
  const TensorTable table = read_safetensors(file);
  for (std::size_t i = 0; i < table.size(); ++i)
    style.push_back(table.at(std::to_string(i)).load().to(stylizer.placement.device, stylizer.placement.dtype));
  return style;
}

/// The styles without their masks, each read once for all canvases unless it has to be recoloured for each.
std::vector<StyleItem> read_styles(const StylizeCommand& o, const Stylizer& stylizer, std::ostream& notes) {
  const bool recoloured = recolours(parse_style_colour(o.colour));
  std::vector<StyleItem> styles;
  for (std::size_t i = 0; i < o.styles.size(); ++i) {
    StyleItem item{.picture = {}, .share = o.shares.empty() ? 1 : o.shares[i]};
    if (o.styles[i].extension() == ".style") {
      item.read = read_style_file(o.styles[i], stylizer);
    } else {
      item.picture = planar(at_size(read_image(o.styles[i]).pixels, o.style_scale));
      if (!recoloured) item.read = read_style(stylizer, item.picture);
    }
    styles.push_back(std::move(item));
  }
  for (std::vector<Tensor>& read : read_text_styles(o.texts, stylizer, o.common, notes))
    styles.push_back(
        {.picture = {}, .share = o.shares.empty() ? 1 : o.shares[styles.size()], .mask = {}, .read = std::move(read)});
  return styles;
}

constexpr std::int64_t kSheetSide = 256;

/// A colour for each style, far from its neighbours'. [I 3] in 0..1
Tensor style_colours(std::int64_t count) {
  std::vector<Tensor> colours;
  for (std::int64_t i = 0; i < count; ++i) {
    const double hue = std::fmod(0.02 + 0.618034 * static_cast<double>(i), 1.0) * 6;
    const auto level = [hue](double at) { return std::clamp(std::abs(std::fmod(hue + at, 6.0) - 3) - 1, 0.0, 1.0); };
    colours.push_back(at::tensor({level(0), level(4), level(2)}, at::kFloat));
  }
  return at::stack(colours);
}

/// Which style painted what: the styles' colours by their part of each place, over the canvas in grey. uint8 [H W 3]
Tensor attribution_map(const Tensor& canvas, const Tensor& mass) {
  const Tensor colours = at::einsum("ihw,ic->chw", {mass, style_colours(mass.size(0))}).unsqueeze(0);
  const Tensor large = at::upsample_bilinear2d(colours, {canvas.size(1), canvas.size(2)}, /*align_corners=*/false)[0];
  const Tensor grey = canvas.to(at::kFloat).mean(at::IntArrayRef{0}, /*keepdim=*/true).div_(255);  // [1 H W]
  return to_bytes(large * (0.25 + 0.75 * grey)).permute({1, 2, 0}).contiguous();
}

/// A sheet: styles above, contents on the left, every content in every style alone.
void write_comparison(const StylizeCommand& o, const Stylizer& stylizer, const std::vector<StyleItem>& styles,
                      const StylizeOptions& options) {
  std::vector<SheetEntry> entries{{}};
  for (const fs::path& style : o.styles) {
    SheetEntry& shown = entries.emplace_back();
    if (style.extension() == ".style")
      shown.captions = {style.stem().string()};
    else
      shown = sheet_entry(planar(fitted(read_image(style), kSheetSide)));
  }
  for (const std::string& text : o.texts) entries.emplace_back().captions = {text};
  for (const fs::path& file : o.contents) {
    const Tensor content = planar(fitted(read_image(file), kSheetSide));
    entries.push_back(sheet_entry(content));
    for (const StyleItem& style : styles)
      entries.push_back(sheet_entry(stylize(stylizer, content, {{style.picture, 1, {}, style.read}}, options).picture));
  }
  write_image(
      o.compare,
      contact_sheet(entries, {.columns = static_cast<std::int64_t>(styles.size()) + 1, .side = kSheetSide}).pixels);
}

/// One canvas of these contents, to `out`.
int paint_one(const StylizeCommand& o, const Stylizer& stylizer, std::vector<StyleItem> styles, std::ostream& out,
              std::ostream& notes) {
  const Composed canvas = read_canvas(o);
  if (o.contents.size() > 1 && !o.common.quiet)
    notes << "contents: joined by " << compose_mode_word(canvas.mode) << '\n';
  const std::int64_t H = canvas.picture.size(1), W = canvas.picture.size(2);
  const std::vector<Tensor> masks = read_masks(o.style_masks, H, W);
  for (std::size_t i = 0; i < masks.size(); ++i) styles[i].mask = masks[i];
  StylizeOptions options = stylize_options(o);
  if (!o.protect.empty()) options.protect = read_canvas_mask(o.protect, H, W);
  options.strip = strip_within(o.memory.empty() ? 0 : parse_memory(o.memory), stylizer, H, W);

  const auto begin = std::chrono::steady_clock::now();
  const Stylized made = o.tile ? stylize_tile(stylizer, canvas.picture, styles, options)
                               : stylize(stylizer, canvas.picture, styles, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (interrupted()) return exit_interrupted;
  write_image(o.out, made.picture.permute({1, 2, 0}).contiguous());
  if (!o.attribution.empty()) write_image(o.attribution, attribution_map(canvas.picture, made.mass));
  if (!o.compare.empty()) write_comparison(o, stylizer, styles, stylize_options(o));
  if (o.json)
    out << Json::object({{"out", o.out.string()},
                         {"width", W},
                         {"height", H},
                         {"seconds", seconds},
                         {"shares", Json::list(made.shares)}})
               .dump()
        << '\n';
  else
    out << o.out.string() << '\n';
  flush_results(out);
  return exit_done;
}

/// Every picture of a folder by itself, into the folder `out` under its own name. A picture that cannot be read is
/// reported and does not stop the others.
int paint_folder(const StylizeCommand& o, const Stylizer& stylizer, const std::vector<StyleItem>& styles,
                 std::ostream& out, std::ostream& notes) {
  std::istringstream nothing;
  fs::create_directories(o.out);
  int code = exit_done;
  for (const Input& input : find_inputs({.paths = {o.contents[0].string()}}, nothing).items) try {
      if (interrupted()) return exit_interrupted;
      if (!input.error.empty()) throw InputError(input.error);
      StylizeCommand one = o;
      one.contents = {input.path};
      one.out = o.out / input.path.filename().replace_extension(".png");
      if (plan_output(one.out, o.existing) == OutputPlan::write) paint_one(one, stylizer, styles, out, notes);
    } catch (const InputError& error) {
      notes << explained(input.path, error.what()) << '\n';
      code = exit_some_failed;
    }
  return code;
}

}  // namespace

Tensor read_canvas_mask(const fs::path& file, std::int64_t height, std::int64_t width) {
  const Tensor pixels = read_image(file).pixels;
  const double proportion = static_cast<double>(pixels.size(1) * height) / static_cast<double>(pixels.size(0) * width);
  if (proportion < 0.98 || proportion > 1.02)
    throw InputError(file.string() + ": mask: got " + std::to_string(pixels.size(1)) + " x " +
                     std::to_string(pixels.size(0)) + ", expected the proportions of the canvas, " +
                     std::to_string(width) + " x " + std::to_string(height));
  return resize(pixels, height, width, {.filter = Filter::bilinear}).to(at::kFloat).mean(2).div_(255);
}

StylizeOptions stylize_options(const StylizeCommand& o) {
  return {.strength = o.strength, .share = parse_share_rule(o.share), .colour = parse_style_colour(o.colour)};
}

Model open_stylizer(const CommonOptions& common) {
  const fs::path folder = resolve_model(common.model.empty() ? kDefaultStylizer : common.model);
  Model model = open_model(folder, placement_of(common));
  if (!model.stylizer)
    throw UsageError(folder.string() + " (family " + model.family +
                     ") paints no pictures; name a stylizer's folder, e.g. one of MicroAST");
  return model;
}

int stylize_command(const StylizeCommand& o, std::ostream& out, std::ostream& notes) {
  check_counts(o);
  if (!o.memory.empty()) parse_memory(o.memory);  // before anything is opened
  const bool folder_in = o.contents.size() == 1 && fs::is_directory(o.contents[0]);
  if (folder_in && (!o.attribution.empty() || !o.compare.empty()))
    throw UsageError("--attribution, --compare: are of one canvas, but --content is a folder");
  const bool clip_in = std::ranges::any_of(o.contents, is_clip);
  if (o.tile && clip_in) throw UsageError("--tile: is of pictures, but --content is a clip");
  if (!o.shares_to.empty() && !clip_in) throw UsageError("--shares-to: is of clips, but --content is none");
  if (!folder_in && plan_output(o.out, o.existing) == OutputPlan::keep) return exit_done;
  apply_threads(o.common);
  if (o.memory.empty()) keep_buffers();
  const Model model = open_stylizer(o.common);
  const std::vector<StyleItem> styles = read_styles(o, *model.stylizer, notes);
  if (!o.save_style.empty()) write_style(o.save_style, *model.stylizer, styles[0].read);
  if (clip_in) return paint_clip(o, *model.stylizer, styles, out, notes);
  if (folder_in) return paint_folder(o, *model.stylizer, styles, out, notes);
  return paint_one(o, *model.stylizer, styles, out, notes);
}

}  // namespace limn
