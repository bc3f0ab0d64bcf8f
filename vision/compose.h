#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// How several pictures become one canvas.
enum class ComposeMode {
  automatic,  ///< with masks: masks; two: subject where the first has a distinct one, else seam; more: grid
  masks,      ///< each where its mask says; the first where none does
  subject,    ///< what stands out of the first, at its place, on the second
  seam,       ///< side by side, overlapping by 30 %, cut where they differ least
  grid        ///< in rows and columns of equal cells
};

/// "auto", "masks", "subject", "seam" or "grid". @throws InputError listing them
ComposeMode parse_compose_mode(const std::string& word);
const char* compose_mode_word(ComposeMode mode);

struct Composed {
  Tensor picture;                        ///< uint8 [3 H W]
  ComposeMode mode = ComposeMode::seam;  ///< what was chosen; meaningless for one picture
};

/// One canvas from several pictures. With masks or a subject it has the first picture's size, and the others cover it
/// (resized, centre-cropped); with a seam it has the first one's height; cells of a grid have the first one's size.
/// @param pictures  uint8 [3 H W] each
/// @param masks     one float [H W] in 0..1 for each picture, of the canvas' size, or none
/// @throws InputError for no pictures, masks of another number or size, a mode that asks for masks without them, or for
///         a subject of other than two pictures or where nothing stands out
Composed compose(const std::vector<Tensor>& pictures, const std::vector<Tensor>& masks = {},
                 ComposeMode mode = ComposeMode::automatic);

}  // namespace limn
