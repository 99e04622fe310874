// A web server without libraries: says hello on port 80 until it is told to stop, or breaks when
// it is told to.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int signal) {
    (void)signal;
    static const char said[] = "stopping\n";
    if (write(1, said, sizeof said - 1) < 0) _exit(1);
    _exit(0);
}

int main(int count, char **words) {
    setvbuf(stdout, 0, _IONBF, 0);
    if (count > 1 && !strcmp(words[1], "break")) {
        printf("broken, as asked\n");
        return 1;
    }
    signal(SIGTERM, stop);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 16)) return 2;
    printf("serving on port 80\n");
    for (;;) {
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n"
                                     "Connection: close\r\n\r\nhello from a container\n";
        char request[4096];
        int client = accept(listener, 0, 0);
        if (client < 0) continue;
        if (read(client, request, sizeof request) > 0 &&
            write(client, answer, sizeof answer - 1) > 0)
            printf("said hello\n");
        close(client);
    }
}
