/* A disk that fails when told to, put before the C library by LD_PRELOAD. The file that FAULT_FILE names holds an error's number
 * and a part of the paths that fail with it ("28 /control/"); while there is no such file all goes well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The error that a change of this file fails with; 0: none. */
static int fault(int file) {
    const char *told = getenv("FAULT_FILE");
    int before = errno, number = 0;
    char text[256] = "", part[200] = "", link[64], path[4096];
    int plan = told ? (int)syscall(SYS_openat, AT_FDCWD, told, O_RDONLY | O_CLOEXEC) : -1;
    if (plan >= 0) {
        ssize_t length = syscall(SYS_read, plan, text, sizeof text - 1);
        syscall(SYS_close, plan);
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t end = readlink(link, path, sizeof path - 1);
        if (length > 0 && end > 0 && sscanf(text, "%d %199s", &number, part) == 2) {
            path[end] = 0;
            if (!strstr(path, part)) number = 0;
        } else {
            number = 0;
        }
    }
    errno = before;
    return number;
}

#define FAILS(file) do { int number = fault(file); if (number) { errno = number; return -1; } } while (0)
#define NEXT(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

ssize_t write(int file, const void *bytes, size_t count) {
    FAILS(file);
    return NEXT(ssize_t, "write", int, const void *, size_t)(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    FAILS(file);
    return NEXT(ssize_t, "writev", int, const struct iovec *, int)(file, parts, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    FAILS(file);
    return NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t)(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    FAILS(file);
    return NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t)(file, bytes, count, at);
}

int fsync(int file) {
    FAILS(file);
    return NEXT(int, "fsync", int)(file);
}

int fdatasync(int file) {
    FAILS(file);
    return NEXT(int, "fdatasync", int)(file);
}
