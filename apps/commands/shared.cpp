#include "apps/commands/commands.h"

namespace limn {

void add_notes_options(CLI::App& command, CommonOptions& common) {
  const Group group{command, "General"};
  group.flag("-q,--quiet", common.quiet, "no notes and no progress on standard error, errors only");
  group.flag("-v,--verbose", common.verbose, "tell more on standard error");
  command
      .add_flag_callback(
          "--no-progress", [&common] { common.progress = false; }, "no progress bar (there is none without a terminal)")
      ->group(group.name);
}

void add_model_options(CLI::App& command, CommonOptions& common) {
  const Group group{command, "Model"};
  group.option("-m,--model", common.model, "MODEL",
               "a folder, org/name in the hub cache, or a bundled name (default: limn-small)");
  group.setting("--device", common.device, "DEVICE", "auto, cpu, cuda or cuda:N");
  group.setting("--dtype", common.dtype, "TYPE", "auto, fp32, bf16, fp16 or int8; auto: bf16 on CUDA, else fp32");
  const CLI::Range count(1, 4096);
  group.option("-b,--batch", common.batch, "N", "pictures at a time (default: 8 on the CPU, 32 on CUDA)")->check(count);
  group.option("-t,--threads", common.threads, "N", "threads that compute (default: the number of cores)")
      ->check(count);
  group.option("--workers", common.workers, "N", "threads that decode pictures (default: by the number of cores)")
      ->check(count);
}

void add_input_options(CLI::App& command, InputOptions& inputs) {
  command
      .add_option("inputs", inputs.paths, "picture files, folders, globs in quotes ('photos/**/*.jpg'), or .tar files")
      ->type_name("");
  const Group group{command, "Inputs"};
  group.option("--files-from", inputs.files_from, "FILE", "read paths from this file, one a line; - is standard input");
  group.flag("-0,--null", inputs.zero_separated, "that list is separated by NUL (find -print0)");
  group.option("--shard", inputs.shard, "I/N", "only one of N shares, told by path: 1/8 to 8/8 on eight machines");
  group.flag("-r,--recursive", inputs.recursive, "look into subfolders too");
  command
      .add_flag_callback(
          "--ignore-orientation", [&inputs] { inputs.orient = false; }, "do not turn pictures upright as EXIF says")
      ->group(group.name);
}

void add_search_options(CLI::App& command, CaptionSearch& search) {
  const Group group{command, "Words"};
  group.option("-p,--prompt", search.prompt, "TEXT", "words that the caption begins with, e.g. \"a photo of\"");
  group.option("-l,--lang", search.language, "LANG", "language of the caption: en or zh, where the model has it");
  group.option("--beams", search.beams, "N", "hypotheses kept by the search; 1: greedy (default: the model's)");
  group.setting("-n,--nbest", search.nbest, "N", "captions per picture, best first");
  group.option("--min-length", search.min_length, "N", "at least so many new tokens (prompt and end not counted)");
  group.option("--max-length", search.max_length, "N",
               "at most so many new tokens (prompt not counted, the end counted)");
  group.option("--length-penalty", search.length_penalty, "X",
               "beams: the larger, the longer the captions (default: the model's)");
  group.option("--repetition-penalty", search.repetition_penalty, "X", "above 1: words used before become less likely");
  group.option("--no-repeat-ngram", search.no_repeat_ngram, "N", "no run of N tokens occurs twice");
  group.option("--early-stopping", search.early_stopping, "WORD", "beams: yes, no or never (default: the model's)");
  group.option("--ban", search.banned, "WORD", "a word that must not appear; repeat for more")->allow_extra_args(false);
  group.flag("--sample", search.sample, "draw words at random instead of searching");
  group.setting("--temperature", search.temperature, "X", "sampling: below 1 safer, above 1 bolder");
  group.setting("--top-k", search.top_k, "N", "sampling: only the N likeliest words; 0: off");
  group.setting("--top-p", search.top_p, "X", "sampling: only the likeliest words that make up this share");
  group.setting("--seed", search.seed, "N", "sampling: same seed, same captions");
}

}  // namespace limn
