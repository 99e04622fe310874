package haar;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Log events: each text is one, whatever lines it has. A 0x1E byte in the output stands for a
 * line break inside one event.
 */
final class Events {
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static final List<String> LEVELS =
            Arrays.asList("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private static boolean isJson;
    private static int threshold;

    /** The invocation in hand. */
    static volatile String requestId;

    private Events() {}

    /** Takes the log's format from the environment; has the standard streams write UTF-8. */
    static void setUp() throws Exception {
        isJson = "JSON".equals(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
        threshold = Math.max(0, LEVELS.indexOf(System.getenv("AWS_LAMBDA_LOG_LEVEL")));
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8"));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, "UTF-8"));
    }

    /** Writes what a function's logger was given; a level of null passes always. */
    static void log(Object message, String level) {
        int weight = level == null ? -1 : LEVELS.indexOf(level);
        if (isJson && weight >= 0 && weight < threshold) {
            return;
        }
        if (isJson && message != null && !(message instanceof byte[])) {
            write(document(message.toString(), level).getBytes(StandardCharsets.UTF_8));
        } else if (message instanceof byte[]) {
            write(((byte[]) message).clone());
        } else {
            String shown = weight < 0 ? "" : "[" + level + "] ";
            write((shown + message).getBytes(StandardCharsets.UTF_8));
        }
    }

    static void failure(Failure failure) {
        log(failure.logged(), isJson ? "ERROR" : null);
    }

    static void flush() {
        System.out.flush();
        System.err.flush();
    }

    private static String document(String message, String level) {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("timestamp", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
        document.put("level", level == null ? "UNDEFINED" : level);
        document.put("message", message);
        document.put("AWSRequestId", requestId);
        try {
            return JsonWriter.write(document);
        } catch (Exception e) {
            return message; // texts are always JSON
        }
    }

    private static synchronized void write(byte[] event) {
        int end = event.length;
        while (end > 0 && event[end - 1] == '\n') {
            end--;
        }
        byte[] line = Arrays.copyOf(event, end + 1);
        for (int i = 0; i < end; i++) {
            line[i] = line[i] == '\n' ? 0x1e : line[i];
        }
        line[end] = '\n';
        try {
            System.out.flush();
            OUT.write(line);
        } catch (IOException e) {
            return; // nobody reads any more
        }
    }
}
