/* Makes one call that writes to the file system fail, in a process that is started with LD_PRELOAD. Which one, and how, is in a file that the
 * process and the test share: so a running server can be disturbed, and left alone again. Calls count only below one directory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE, FULL, BROKEN, SHORT };

struct control {
  _Atomic int kind;  /* what happens */
  _Atomic int at;    /* to which call, counted from 1 */
  _Atomic int calls; /* how many there were */
  _Atomic int hit;   /* how many have failed */
  char name[240];    /* the call that failed, and its file */
};

static struct control *control;
static const char *root;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTS_CONTROL");
  root = getenv("FAULTS_BELOW");
  if (!path || !root) return;
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (map != MAP_FAILED) control = map;
}

/* Whether this call on this file fails. */
static int fails(const char *call, const char *path, int may_be_short) {
  if (!control || control->kind == NONE || strncmp(path, root, strlen(root)) != 0) return NONE;
  /* The shared memory of SQLite is no file that is written. */
  size_t length = strlen(path);
  if (length > 4 && strcmp(path + length - 4, "-shm") == 0) return NONE;
  if (control->kind == SHORT && !may_be_short) return NONE;
  int number = atomic_fetch_add(&control->calls, 1) + 1;
  if (number != control->at) return NONE;
  snprintf(control->name, sizeof control->name, "%s %s", call, path + strlen(root));
  atomic_fetch_add(&control->hit, 1);
  return control->kind;
}

static int fails_on(const char *call, int file, int may_be_short) {
  if (!control || control->kind == NONE) return NONE;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return NONE;
  path[length] = 0;
  return fails(call, path, may_be_short);
}

static int refuse(int kind) {
  errno = kind == FULL ? ENOSPC : EIO;
  return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
  int kind = fails_on("write", file, count > 1);
  if (kind == FULL || kind == BROKEN) return refuse(kind);
  return NEXT(write)(file, bytes, kind == SHORT ? count / 2 : count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  int kind = fails_on("pwrite", file, count > 1);
  if (kind == FULL || kind == BROKEN) return refuse(kind);
  return NEXT(pwrite)(file, bytes, kind == SHORT ? count / 2 : count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  int kind = fails_on("pwrite", file, count > 1);
  if (kind == FULL || kind == BROKEN) return refuse(kind);
  return NEXT(pwrite64)(file, bytes, kind == SHORT ? count / 2 : count, at);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
  int kind = fails_on("writev", file, count > 1);
  if (kind == FULL || kind == BROKEN) return refuse(kind);
  return NEXT(writev)(file, parts, kind == SHORT ? 1 : count);
}

int fsync(int file) {
  int kind = fails_on("fsync", file, 0);
  return kind ? refuse(kind) : NEXT(fsync)(file);
}

int fdatasync(int file) {
  int kind = fails_on("fdatasync", file, 0);
  return kind ? refuse(kind) : NEXT(fdatasync)(file);
}

int ftruncate(int file, off_t length) {
  int kind = fails_on("ftruncate", file, 0);
  return kind ? refuse(kind) : NEXT(ftruncate)(file, length);
}

int ftruncate64(int file, off64_t length) {
  int kind = fails_on("ftruncate", file, 0);
  return kind ? refuse(kind) : NEXT(ftruncate64)(file, length);
}

int rename(const char *from, const char *to) {
  int kind = fails("rename", from, 0);
  return kind ? refuse(kind) : NEXT(rename)(from, to);
}

int unlink(const char *path) {
  int kind = fails("unlink", path, 0);
  return kind ? refuse(kind) : NEXT(unlink)(path);
}
