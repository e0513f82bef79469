/* Faults between a program and its machine, for LD_PRELOAD: what happens to the files under one directory, and what time
 * it is. It is told what to do through a mapped file of 64-bit numbers (FAULTS_CONTROL), at any moment, and writes down
 * everything that a power cut could undo (FAULTS_TRACE). See shim.py and trace.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 65536
#define REAL(type, name, ...)                                  \
    static type (*real)(__VA_ARGS__);                          \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* In the order of shim.py. */
struct control {
    int64_t wall_ns;      /* added to the wall clock */
    int64_t passed_ns;    /* added to the clocks that only go forward */
    int64_t sync_us;      /* how long each fsync takes at least */
    int64_t sync_fails;   /* so many fsyncs fail with EIO; -1: all */
    int64_t full;         /* 1: no file grows */
    int64_t looks_full;   /* 1: statvfs says that nothing is left */
    int64_t syncs;        /* counted: fsyncs that held */
    int64_t failed;       /* counted: fsyncs that failed */
    int64_t refused;      /* counted: writes that found no room */
    int64_t lies;         /* 1: fsync does nothing and says that it did */
};

/* One line of the trace: this, then `length` bytes of data, or two names with a NUL behind each. */
struct record {
    uint32_t op;
    uint32_t length;
    uint64_t inode;
    int64_t offset;       /* of a write; a new size; of an fsync: how long the trace was when it began */
};
enum { WRITE = 1, TRUNCATE, SYNC, CREATE, RENAME, LINK, UNLINK, MKDIR, FAILED };

static struct control nothing, *control = &nothing;
static char folder[PATH_MAX];
static size_t folder_length;
static int trace = -1;
static int64_t traced;
static uint64_t inodes[FILES]; /* of the open files under the folder, and of the directories that lead to it */
static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL"), *where = getenv("FAULTS_DIR"), *log = getenv("FAULTS_TRACE");
    if (!path || !where) return;
    int handle = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    if (mapped != MAP_FAILED) control = mapped;
    syscall(SYS_close, handle);
    folder_length = strlen(strcpy(folder, where));
    if (log) {
        trace = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        traced = lseek(trace, 0, SEEK_END);
    }
}

static int64_t note(uint32_t op, uint64_t inode, int64_t offset, const void *data, size_t length) {
    if (trace < 0) return 0;
    struct record head = {op, (uint32_t)length, inode, offset};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    pthread_mutex_lock(&one_by_one);
    traced += syscall(SYS_writev, trace, parts, length ? 2 : 1);
    int64_t now = traced;
    pthread_mutex_unlock(&one_by_one);
    return now;
}

static int whole(const char *path, char *into) {
    if (path[0] == '/') return strlen(path) < PATH_MAX ? (strcpy(into, path), 1) : 0;
    if (!getcwd(into, PATH_MAX) || strlen(into) + strlen(path) + 2 > PATH_MAX) return 0;
    strcat(strcat(into, "/"), path);
    return 1;
}

/* Under the folder, or on the way to it. */
static int ours(const char *path) {
    char name[PATH_MAX];
    if (!folder_length || !whole(path, name)) return 0;
    size_t length = strlen(name);
    if (length < folder_length) return !strncmp(name, folder, length) && (folder[length] == '/' || length == 1);
    return !strncmp(name, folder, folder_length) && (name[folder_length] == 0 || name[folder_length] == '/');
}

static void note_names(uint32_t op, uint64_t inode, const char *from, const char *to) {
    char names[2 * PATH_MAX], *second;
    if (!whole(from, names)) return;
    second = names + strlen(names) + 1;
    if (!whole(to, second)) return;
    note(op, inode, 0, names, second + strlen(second) + 1 - names);
}

static uint64_t inode_of(const char *path) {
    struct stat found;
    return stat(path, &found) ? 0 : found.st_ino;
}

/* --- opening and closing --- */

static int opened(int handle, const char *path, int flags, int there) {
    struct stat found;
    if (handle < 0 || handle >= FILES || !ours(path) || fstat(handle, &found)) return handle;
    inodes[handle] = found.st_ino;
    if ((flags & O_CREAT) && !there) note_names(CREATE, found.st_ino, path, "/");
    else if (flags & O_TRUNC) note(TRUNCATE, found.st_ino, 0, NULL, 0);
    return handle;
}

static int do_open(int at, const char *path, int flags, mode_t mode) {
    int there = !faccessat(at, path, F_OK, 0);
    int handle = syscall(SYS_openat, at, path, flags, mode);
    if (handle < 0) return handle;
    return at == AT_FDCWD || path[0] == '/' ? opened(handle, path, flags, there) : handle;
}

#define MODE(flags)                                                                      \
    mode_t mode = 0;                                                                     \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                               \
        va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more);  \
    }

int open(const char *path, int flags, ...) { MODE(flags) return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return do_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return do_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return do_open(at, path, flags, mode); }

int close(int handle) {
    if (handle >= 0 && handle < FILES) inodes[handle] = 0;
    return syscall(SYS_close, handle);
}

static uint64_t tracked(int handle) { return handle >= 0 && handle < FILES ? inodes[handle] : 0; }

/* --- writing --- */

static int no_room(int handle, int64_t end) {
    struct stat found;
    if (!control->full || fstat(handle, &found) || end <= found.st_size) return 0;
    __atomic_add_fetch(&control->refused, 1, __ATOMIC_SEQ_CST);
    errno = ENOSPC;
    return 1;
}

static ssize_t do_pwrite(int handle, const void *data, size_t size, off_t offset) {
    uint64_t inode = tracked(handle);
    if (inode && no_room(handle, offset + size)) return -1;
    ssize_t done = syscall(SYS_pwrite64, handle, data, size, offset);
    if (inode && done > 0) note(WRITE, inode, offset, data, done);
    return done;
}

ssize_t pwrite(int handle, const void *data, size_t size, off_t offset) { return do_pwrite(handle, data, size, offset); }
ssize_t pwrite64(int handle, const void *data, size_t size, off_t offset) { return do_pwrite(handle, data, size, offset); }

ssize_t write(int handle, const void *data, size_t size) {
    uint64_t inode = tracked(handle);
    int64_t at = inode ? lseek(handle, 0, SEEK_CUR) : 0;
    if (inode && no_room(handle, at + size)) return -1;
    ssize_t done = syscall(SYS_write, handle, data, size);
    if (inode && done > 0) note(WRITE, inode, at, data, done);
    return done;
}

static int do_truncate(int handle, off_t size) {
    uint64_t inode = tracked(handle);
    if (inode && no_room(handle, size)) return -1;
    int done = syscall(SYS_ftruncate, handle, size);
    if (inode && !done) note(TRUNCATE, inode, size, NULL, 0);
    return done;
}

int ftruncate(int handle, off_t size) { return do_truncate(handle, size); }
int ftruncate64(int handle, off_t size) { return do_truncate(handle, size); }

/* --- making it last --- */

static int do_sync(int handle, long call) {
    uint64_t inode = tracked(handle);
    if (!inode) return syscall(call, handle);
    if (control->sync_us) {
        struct timespec rest = {control->sync_us / 1000000, control->sync_us % 1000000 * 1000};
        syscall(SYS_nanosleep, &rest, NULL);
    }
    pthread_mutex_lock(&one_by_one);
    int64_t began = traced;
    pthread_mutex_unlock(&one_by_one);
    if (control->sync_fails) {
        note(FAILED, inode, began, NULL, 0);
        if (control->sync_fails > 0) __atomic_sub_fetch(&control->sync_fails, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
        errno = EIO;
        return -1;
    }
    if (control->lies) return 0;
    int done = trace < 0 ? syscall(call, handle) : 0; /* with a trace, the trace is the disk */
    if (!done) {
        note(SYNC, inode, began, NULL, 0);
        __atomic_add_fetch(&control->syncs, 1, __ATOMIC_SEQ_CST);
    }
    return done;
}

int fsync(int handle) { return do_sync(handle, SYS_fsync); }
int fdatasync(int handle) { return do_sync(handle, SYS_fdatasync); }

/* --- names --- */

int rename(const char *from, const char *to) {
    uint64_t inode = ours(from) ? inode_of(from) : 0;
    int done = syscall(SYS_rename, from, to);
    if (!done && inode) note_names(RENAME, inode, from, to);
    return done;
}

int link(const char *from, const char *to) {
    int done = syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!done && ours(to)) note_names(LINK, inode_of(to), to, "/");
    return done;
}

int linkat(int at, const char *from, int to_at, const char *to, int flags) {
    int done = syscall(SYS_linkat, at, from, to_at, to, flags);
    if (!done && ours(to)) note_names(LINK, inode_of(to), to, "/");
    return done;
}

int unlink(const char *path) {
    uint64_t inode = ours(path) ? inode_of(path) : 0;
    int done = syscall(SYS_unlink, path);
    if (!done && inode) note_names(UNLINK, inode, path, "/");
    return done;
}

int mkdir(const char *path, mode_t mode) {
    int done = syscall(SYS_mkdir, path, mode);
    if (!done && ours(path)) note_names(MKDIR, inode_of(path), path, "/");
    return done;
}

/* --- how full, and what time --- */

int statvfs(const char *path, struct statvfs *found) {
    REAL(int, statvfs, const char *, struct statvfs *);
    int done = real(path, found);
    if (!done && control->looks_full && ours(path)) found->f_bavail = found->f_bfree = 0;
    return done;
}
int statvfs64(const char *path, struct statvfs64 *found) { return statvfs(path, (struct statvfs *)found); }

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int done = real(which, now);
    int64_t more = which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE ? control->wall_ns + control->passed_ns
                 : which == CLOCK_MONOTONIC || which == CLOCK_MONOTONIC_COARSE || which == CLOCK_BOOTTIME ? control->passed_ns
                 : 0;
    if (!more || done) return done;
    int64_t at = now->tv_sec * 1000000000LL + now->tv_nsec + more;
    now->tv_sec = at / 1000000000LL;
    now->tv_nsec = at % 1000000000LL;
    return 0;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone;
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (into) *into = at.tv_sec;
    return at.tv_sec;
}
