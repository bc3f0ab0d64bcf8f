#include "apps/text_styles.h"

#include "apps/match.h"
#include "apps/models.h"
#include "fusion/model.h"
#include "fusion/style_words.h"

namespace limn {

std::vector<std::vector<Tensor>> read_text_styles(const std::vector<std::string>& texts, const Stylizer& stylizer,
                                                  const CommonOptions& common, std::ostream& notes) {
  if (texts.empty()) return {};
  if (!stylizer.words)
    throw UsageError(
        "this model knows no styles in words; give a picture as style, or leave the model out for the bundled "
        "stylizer");
  const Model encoder = open_model(resolve_model(stylizer.words->encoder), stylizer.placement);
  if (!encoder.embedder || !encoder.embedder->text)
    throw CheckpointError(encoder.folder.string() + ": embeds no texts, but the stylizer's words are read by it");
  note_cut_texts(*encoder.embedder, texts, common, notes);
  std::vector<std::vector<Tensor>> styles;
  for (const std::string& text : texts) styles.push_back(read_style(stylizer, *encoder.embedder, text));
  return styles;
}

}  // namespace limn
