#include "apps/caption_engine.h"
#include "apps/models.h"
#include "core/hub.h"
#include "fusion/model.h"
namespace limn {
CaptionEngine open_caption_engine(const CommonOptions& c, bool) {
  resolve_model(c.model);
  throw UsageError("stub");
}
std::filesystem::path hub_folder(const std::string& n) { throw CheckpointError("hub" + n); }
Model open_model(const std::filesystem::path& folder, const Placement&) {
  throw CheckpointError("stub" + folder.string());
}
std::span<const Family> families() { return {}; }
}  // namespace limn
