#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/files.h"
#include "tests/places.h"
#include "tests/temporary.h"

// The program as users start it.
namespace limn {

struct Ran {
  int code = -1;  ///< exit code; 1000 + number where a signal ended it
  std::string out, err;
};

struct Streams {
  std::string in;        ///< standard input's text
  std::string redirect;  ///< behind the command, e.g. ">&-"
};

inline std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char letter : word) text += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return text + "'";
}

inline Ran shell(const std::string& command, const TemporaryFolder& folder) {
  const std::string out = (folder / "stdout").string(), err = (folder / "stderr").string();
  const int status = std::system(("( " + command + " ) >" + quoted(out) + " 2>" + quoted(err)).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), read_file(out), read_file(err)};
}

inline std::string limn_command(const std::vector<std::string>& words) {
  std::string command = "OMP_WAIT_POLICY=PASSIVE " + quoted(limn_program());
  for (const std::string& word : words) command.append(" ").append(quoted(word));
  return command;
}

inline Ran limn_run(const std::vector<std::string>& words, const std::string& redirect = {}) {
  const TemporaryFolder folder;
  return shell(limn_command(words) + " " + redirect, folder);
}

}  // namespace limn
