package haar;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** One kept connection to the Runtime API; requests may be sent ahead of answers. */
final class Link {
    private static final String API = "/2018-06-01/runtime/";

    private final String address;
    private final InputStream in;
    private final OutputStream out;
    private byte[] buffer = new byte[64 << 10];
    private int from;
    private int to;

    /** One answer; header names are in lower case. */
    static final class Answer {
        final int status;
        final Map<String, String> headers = new HashMap<>();
        byte[] body = new byte[0];

        Answer(int status) {
            this.status = status;
        }
    }

    Link(String address) throws IOException {
        this.address = address;
        int colon = address.lastIndexOf(':');
        InetAddress host = InetAddress.getByName(address.substring(0, colon));
        @SuppressWarnings("resource") // it is open until the process ends
        Socket socket = new Socket(host, Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        in = socket.getInputStream();
        out = socket.getOutputStream();
    }

    byte[] get(String path) {
        return ascii("GET " + API + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    }

    byte[] post(String path, byte[] body, String kind) throws IOException {
        String type = kind == null ? "" : "Lambda-Runtime-Function-Error-Type: " + kind + "\r\n";
        ByteArrayOutputStream request = new ByteArrayOutputStream(body.length + 256);
        request.write(ascii("POST " + API + path + " HTTP/1.1\r\nHost: " + address
                + "\r\nContent-Type: application/json\r\n" + type
                + "Content-Length: " + body.length + "\r\n\r\n"));
        request.write(body);
        return request.toByteArray();
    }

    /** Sends one or two requests in one write. */
    void send(byte[] first, byte[] second) throws IOException {
        byte[] both = new byte[first.length + second.length];
        System.arraycopy(first, 0, both, 0, first.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        out.write(both);
    }

    /** Reads the next answer; ends the process when the platform is gone. */
    Answer answer() throws IOException {
        String status = line();
        Answer answer = new Answer(Integer.parseInt(status.substring(9, 12)));
        for (String field = line(); !field.isEmpty(); field = line()) {
            int colon = field.indexOf(": ");
            String name = field.substring(0, colon).toLowerCase(Locale.ROOT);
            answer.headers.put(name, field.substring(colon + 2));
        }
        String length = answer.headers.get("content-length");
        if (length != null) {
            answer.body = bytes(Integer.parseInt(length));
        }
        return answer;
    }

    private String line() throws IOException {
        int scanned = from;
        while (true) {
            for (; scanned < to; scanned++) {
                if (buffer[scanned] == '\n') {
                    int end = scanned > from && buffer[scanned - 1] == '\r' ? scanned - 1 : scanned;
                    String line = new String(buffer, from, end - from, StandardCharsets.UTF_8);
                    from = scanned + 1;
                    return line;
                }
            }
            scanned -= from;
            fill();
            scanned += from;
        }
    }

    private byte[] bytes(int length) throws IOException {
        byte[] body = new byte[length];
        int have = Math.min(length, to - from);
        System.arraycopy(buffer, from, body, 0, have);
        from += have;
        while (have < length) {
            int more = in.read(body, have, length - have);
            if (more < 0) {
                Runtime.getRuntime().halt(0);
            }
            have += more;
        }
        return body;
    }

    private void fill() throws IOException {
        System.arraycopy(buffer, from, buffer, 0, to - from);
        to -= from;
        from = 0;
        if (to == buffer.length) {
            buffer = java.util.Arrays.copyOf(buffer, 2 * buffer.length);
        }
        int more = in.read(buffer, to, buffer.length - to);
        if (more < 0) {
            Runtime.getRuntime().halt(0);
        }
        to += more;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
