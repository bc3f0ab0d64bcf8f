#include "apps/stylize.h"

#include "apps/commands/commands.h"

namespace limn {

void add_stylize(CLI::App& app, Action& action) {
  auto options = std::make_shared<StylizeCommand>();
  auto existing = std::make_shared<std::string>("error");
  CLI::App* command = app.add_subcommand("stylize", "Paint contents in styles: any number of each, one picture");
  const Group items{*command, "Items"};
  items
      .option(
          "--content", options->contents, "FILE…",
          "pictures of what is to be seen; or one folder, each of whose pictures is painted; or a clip, or camera:0")
      ->required();
  items.option("--style", options->styles, "FILE…",
               "pictures that show how it is to be painted, or what --save-style wrote");
  items.option("--style-text", options->texts, "TEXT…", "styles in words, e.g. \"a stormy night in blue and yellow\"");
  items
      .option("--shares", options->shares, "N,N",
              "how much of the picture each style gets, first those of --style (default: equal)")
      ->delimiter(',');
  items
      .option("--shares-to", options->shares_to, "N,N",
              "of a clip: shares move from --shares to these, first to last frame")
      ->delimiter(',');
  items.setting("--share", options->share, "WORD",
                "shares are met over the picture (global), at every place (exact) or only wished for (free)");
  items.option("--content-mask", options->content_masks, "FILE…", "white where each content is wanted");
  items.option("--style-mask", options->style_masks, "FILE…", "white where each style may paint");
  items.option("--protect-mask", options->protect, "FILE", "white where the content stays as it is");
  items.setting("--compose", options->compose, "WORD",
                "several contents: auto, masks, subject (of the first, on the second), seam or grid");
  const Group look{*command, "Look"};
  look.setting("--strength", options->strength, "X", "0: the contents as they are, 1: all of the styles");
  look.setting(
      "--color", options->colour, "WORD",
      "colours: style, keep (the content's), coral or histogram (so are the styles'), or only (nothing but colours)");
  look.setting("--style-scale", options->style_scale, "X", "size of the strokes: below 1 finer, above 1 coarser");
  look.option("--size", options->size, "N", "longer side of the first content in pixels (default: its own)")
      ->check(CLI::Range(1, 32768));
  look.flag("--tile", options->tile, "a picture to be laid beside itself: it goes on across its borders");
  command
      ->add_flag("--steady,!--no-steady", options->steady,
                 "of a clip: each frame goes on from the one before (default; --no-steady: every frame for itself)")
      ->group("Look");
  look.option("--memory", options->memory, "SIZE", "what the program may hold at most, e.g. 800M or 1.5G");
  const Group results{*command, "Results"};
  results
      .option("-o,--out", options->out, "FILE",
              "the picture, PNG or JPEG; of a folder: a folder; of a clip: a clip, .mp4, .mov, .mkv, .avi or .webm")
      ->required();
  results.option("--attribution", options->attribution, "FILE", "a map: which style painted what");
  results.option("--compare", options->compare, "FILE", "a sheet: every content in every style");
  results.option("--save-style", options->save_style, "FILE", "keep what was read of the style, a file NAME.style");
  results.setting("--existing", *existing, "WORD", "where it exists: error, skip or overwrite");
  results.flag("--json", options->json, "tell size, seconds and shares as one JSON object");
  add_model_options(*command, options->common);
  command->get_option("--model")->description("a stylizer's folder, or a bundled name (default: limn-stylizer)");
  add_notes_options(*command, options->common);
  command->footer(
      "Example:\n  limn stylize --content a.jpg b.jpg --style c.jpg d.jpg --shares 2,1 -o "
      "out.png\n  limn stylize --content a.jpg --style-text \"autumn leaves\" -o out.png");
  command->callback([options, existing, &action] {
    action = [options, existing] {
      options->existing = parse_existing(*existing);
      return stylize_command(*options, std::cout, std::cerr);
    };
  });
}

}  // namespace limn
