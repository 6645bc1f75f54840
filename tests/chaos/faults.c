/* A disk that fails on command: preloaded into a node's process (LD_PRELOAD), for files below FAULTS_FOLDER.
 *
 * FAULTS_CONTROL names a file of seven 32-bit numbers that the test maps too:
 *   [0] error number of fsync and fdatasync (0: they work)    [1] error number of writes
 *   [2] calls of either kind that still work                  [3] failures so far
 *   [4] failures still to come; the disk then works again     [5] successful flushes so far
 *   [6] 0: what an earlier process left unflushed is lost, as after a failed flush; 1: the next flush brings it
 * FAULTS_IMAGE names a folder that receives what a power cut would leave: of every file only what was flushed
 * successfully. As on Linux, a failed flush loses the written pages for good: a later flush does not bring them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYNC_ERROR, WRITE_ERROR, CALLS_LEFT, FAILED, FAILURES_LEFT, FLUSHED, TRUST, NUMBERS };
enum { MAX_FILES = 64 };

struct change { off_t offset, length; int truncated; struct change *next; };
struct file { ino_t inode; char name[NAME_MAX + 1]; int fresh; struct change *first, **last; };

static volatile int32_t *control;
static const char *folder, *image;
static struct file files[MAX_FILES];
static int known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_fsync)(int), (*real_fdatasync)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);

__attribute__((constructor)) static void begin(void) {
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    folder = getenv("FAULTS_FOLDER");
    image = getenv("FAULTS_IMAGE");
    int fd = open(getenv("FAULTS_CONTROL"), O_RDWR | O_CLOEXEC);
    if (fd < 0 || !folder || !image) abort();
    control = mmap(NULL, NUMBERS * sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) abort();
    close(fd);
}

static void note(struct file *file, off_t offset, off_t length, int truncated) {
    struct change *change = calloc(1, sizeof *change);
    if (!change) abort();
    change->offset = offset, change->length = length, change->truncated = truncated;
    *file->last = change;
    file->last = &change->next;
}

/* The watched database file behind a descriptor; NULL for everything else. The lock is held. */
static struct file *watched(int fd) {
    char link[64], path[PATH_MAX + 1];
    struct stat facts;
    if (!control) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX);
    if (size < 0) return NULL;
    path[size] = 0;
    if (strncmp(path, folder, strlen(folder)) || !strstr(path, ".db") || strstr(path, "-shm")) return NULL;
    if (fstat(fd, &facts) || !S_ISREG(facts.st_mode)) return NULL;
    for (int n = 0; n < known; n++)
        if (files[n].inode == facts.st_ino) return &files[n];
    if (known == MAX_FILES) abort();
    struct file *file = &files[known++];
    memset(file, 0, sizeof *file);
    file->inode = facts.st_ino;
    strncpy(file->name, strrchr(path, '/') + 1, NAME_MAX);
    file->fresh = facts.st_size == 0;
    file->last = &file->first;
    if (!file->fresh && control[TRUST]) note(file, 0, facts.st_size, 0);
    return file;
}

static void forget(struct file *file) {
    while (file->first) {
        struct change *next = file->first->next;
        free(file->first);
        file->first = next;
    }
    file->last = &file->first;
}

/* Bring what was written since the last flush into the image. */
static void flush(struct file *file, int fd) {
    char path[PATH_MAX], buffer[65536];
    snprintf(path, sizeof path, "%s/%s", image, file->name);
    int out = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (file->fresh ? O_TRUNC : 0), 0600);
    if (out < 0) abort();
    file->fresh = 0;
    for (struct change *change = file->first; change; change = change->next) {
        if (change->truncated && real_ftruncate(out, change->length)) abort();
        off_t offset = change->offset, left = change->truncated ? 0 : change->length;
        while (left > 0) {
            ssize_t got = pread(fd, buffer, left < (off_t)sizeof buffer ? (size_t)left : sizeof buffer, offset);
            if (got <= 0) break; /* truncated since */
            if (real_pwrite(out, buffer, got, offset) != got) abort();
            offset += got, left -= got;
        }
    }
    close(out);
    forget(file);
}

/* Whether this call is to fail, and how. */
static int fault(int kind) {
    if (!control[kind]) return 0;
    if (control[CALLS_LEFT] > 0) {
        control[CALLS_LEFT]--;
        return 0;
    }
    if (control[FAILURES_LEFT] <= 0) return 0;
    control[FAILURES_LEFT]--;
    control[FAILED]++;
    return control[kind];
}

static int sync_with(int (*real)(int), int fd) {
    pthread_mutex_lock(&lock);
    struct file *file = watched(fd);
    int error = file ? fault(SYNC_ERROR) : 0, result;
    if (error) {
        forget(file);
        result = -1;
    } else {
        result = real(fd);
        if (!result && file) {
            flush(file, fd);
            control[FLUSHED]++;
        }
        error = errno;
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset, int positioned) {
    pthread_mutex_lock(&lock);
    struct file *file = watched(fd);
    int error = file ? fault(WRITE_ERROR) : 0;
    ssize_t result = -1;
    if (file && !positioned) offset = lseek(fd, 0, SEEK_CUR);
    if (error == ENOSPC && control[FAILED] % 2 && size > 1) error = 0, size /= 2; /* a full disk takes a part */
    if (!error) {
        result = positioned ? real_pwrite(fd, data, size, offset) : real_write(fd, data, size);
        error = errno;
        if (result > 0 && file) note(file, offset, result, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }
ssize_t write(int fd, const void *data, size_t size) { return write_at(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return write_at(fd, data, size, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return write_at(fd, data, size, at, 1); }

int ftruncate64(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    struct file *file = watched(fd);
    int result = real_ftruncate(fd, length), error = errno;
    if (!result && file) note(file, 0, length, 1);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
