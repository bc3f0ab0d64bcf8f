#include "apps/commands/commands.h"
#include "apps/doctor.h"
#include "apps/models.h"

namespace limn {

void add_models(CLI::App& app, Action& action) {
  auto options = std::make_shared<ModelsOptions>();
  auto average = std::make_shared<AverageOptions>();
  CLI::App* command = app.add_subcommand("models", "List the models that are here, show one, or average some");
  command->add_flag("--json", options->json, "one JSON object a line");
  command->footer(
      "Examples:\n  limn models\n  limn models info limn-small\n  limn models info "
      "Salesforce/blip-image-captioning-base --json\n  limn models average runs/a/best runs/b/best -o runs/mean");
  CLI::App* info = command->add_subcommand("info", "Show a model: family, abilities, size, languages, files");
  info->add_option("model", options->model,
                   "model folder, org/name in the hub cache, or a bundled name (default: limn-small)");
  info->add_flag("--json", options->json, "as one JSON object");
  CLI::App* mean = command->add_subcommand("average", "The mean of house models that were trained from one");
  mean->add_option("models", average->models, "two models or more")->required();
  mean->add_option("--shares", average->shares, "how much each counts, e.g. 2,1 (default: equal)")->delimiter(',');
  mean->add_option("-o,--out", average->out, "folder of the new model")->required();
  command->callback([options, average, info, mean, &action] {
    const bool one = info->parsed();
    action = [options, one] { return one ? show_model(*options, std::cout) : list_models(*options, std::cout); };
    if (mean->parsed()) action = [average] { return average_models(*average, std::cout); };
  });
}

void add_doctor(CLI::App& app, Action& action) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "Measure this machine: versions, BLAS, speed, devices; with advice");
  const Group group{*command, "Measuring"};
  group.option("-t,--threads", options->threads, "N", "threads that compute (default: the number of cores)")
      ->check(CLI::Range(1, 4096));
  group.setting("--seconds", options->seconds, "S", "measuring time per figure")->check(CLI::Range(0.0, 60.0));
  group.flag("--json", options->json, "one JSON object");
  command->callback([=, &action] { action = [=] { return doctor(*options, std::cout); }; });
}

}  // namespace limn
