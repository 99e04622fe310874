// A runtime that never asks for work.
#include <unistd.h>

int main(void) {
    for (;;) pause();
}
