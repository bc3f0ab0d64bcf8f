#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "core/error.h"
#include "fusion/database.h"
#include "tests/temporary.h"

namespace limn {

/// A PostgreSQL server of the test's own, on a Unix socket in a temporary folder. The folder of its programs is that of
/// LIMN_POSTGRES, else what pg_config names; pgvector must be installed there.
class PostgresServer {
 public:
  /// @return null where there is none
  static std::unique_ptr<PostgresServer> start() {
    const char* variable = std::getenv("LIMN_POSTGRES");
    const std::string programs = variable ? variable : output_of("pg_config --bindir");
    if (programs.empty()) return nullptr;
    const std::filesystem::path shared = output_of("'" + programs + "/pg_config' --sharedir");
    if (!std::filesystem::exists(shared / "extension" / "vector.control")) return nullptr;
    std::unique_ptr<PostgresServer> server(new PostgresServer);
    return server->launch(programs) ? std::move(server) : nullptr;
  }

  ~PostgresServer() {
    if (process_ <= 0) return;
    kill(process_, SIGQUIT);
    waitpid(process_, nullptr, 0);
  }

  std::string address(const std::string& user = "postgres", const std::string& database = "postgres") const {
    return "postgresql://" + user + "@/" + database + "?host=" + folder_.path.string();
  }

 private:
  PostgresServer() = default;

  static std::string output_of(const std::string& command) {
    std::string text;
    FILE* const pipe = popen((command + " 2>/dev/null").c_str(), "r");
    char part[512];
    while (pipe && fgets(part, sizeof part, pipe)) text += part;
    if (pipe) pclose(pipe);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  /// The server refuses to run as root.
  std::string as_nobody() const { return geteuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups " : ""; }

  bool launch(const std::string& programs) {
    if (geteuid() == 0 && chown(folder_.path.c_str(), 65534, 65534) != 0) return false;
    const std::string data = (folder_ / "data").string(), log = (folder_ / "log").string();
    const std::string make = as_nobody() + "'" + programs + "/initdb' -D " + data +
                             " -U postgres -A trust -E UTF8 --locale=C --no-sync >" + log + " 2>&1";
    if (std::system(make.c_str()) != 0) return false;
    process_ = fork();
    if (process_ == 0) {
      const std::string run = "exec " + as_nobody() + "'" + programs + "/postgres' -D " + data + " -k " +
                              folder_.path.string() + " -c listen_addresses= -c fsync=off >>" + log + " 2>&1";
      execl("/bin/sh", "sh", "-c", run.c_str(), nullptr);
      _exit(99);
    }
    for (int attempt = 0; attempt < 200; ++attempt) {
      try {
        const Database database(address());
        return true;
      } catch (const InputError&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    return false;
  }

  TemporaryFolder folder_;
  pid_t process_ = -1;
};

}  // namespace limn
