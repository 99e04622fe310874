package haar;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An error as the function's caller and its log see it. */
final class Failure extends Exception {
    private static final long serialVersionUID = 1;
    private static final String OWN = Failure.class.getPackage().getName() + ".";

    private final String type;
    private final List<String> stack;
    private final String trace;
    /** Nothing can run in this process any more. */
    final boolean isFatal;

    private Failure(String message, String type, List<String> stack, String trace, boolean isFatal) {
        super(message, null, false, false);
        this.type = type;
        this.stack = stack;
        this.trace = trace;
        this.isFatal = isFatal;
    }

    /** What a handler threw. */
    static Failure thrown(Throwable error) {
        cut(error, identities());
        List<String> stack = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            stack.add(frame.toString());
        }
        boolean isFatal = error instanceof VirtualMachineError || error instanceof java.io.IOError;
        return new Failure(text(error), error.getClass().getName(), stack, trace(error), isFatal);
    }

    /** The function's code cannot be used: told without a stack, which goes to the log. */
    static Failure unusable(String message, Throwable cause, boolean isFatal) {
        if (cause == null) {
            return new Failure(message, null, null, null, isFatal);
        }
        cut(cause, identities());
        return new Failure(message, cause.getClass().getName(), null, trace(cause), isFatal);
    }

    /** The same for what is told by the error's own message. */
    static Failure unusable(Throwable cause, boolean isFatal) {
        return unusable(text(cause), cause, isFatal);
    }

    /** What was thrown inside of a call by reflection. */
    static Exception unwrap(InvocationTargetException error) {
        Throwable cause = error.getCause() == null ? error : error.getCause();
        if (cause instanceof Error) {
            throw (Error) cause;
        }
        return (Exception) cause;
    }

    String kind() {
        return type == null ? "Runtime.Unknown" : type;
    }

    String document() throws Exception {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("errorMessage", getMessage());
        document.put("errorType", type);
        document.put("stackTrace", stack);
        return JsonWriter.write(document);
    }

    String logged() {
        return trace == null ? getMessage() : getMessage() + ": " + type + "\n" + trace;
    }

    private static String text(Throwable error) {
        String text = error.getLocalizedMessage();
        return text == null ? error.getClass().getName() : text;
    }

    private static String trace(Throwable error) {
        StringWriter text = new StringWriter();
        error.printStackTrace(new PrintWriter(text, true));
        return text.toString();
    }

    private static Set<Throwable> identities() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }

    /** Takes this runtime's own frames, and those below them, off the stack. */
    private static void cut(Throwable error, Set<Throwable> seen) {
        if (error == null || !seen.add(error)) {
            return;
        }
        StackTraceElement[] frames = error.getStackTrace();
        int end = 0;
        while (end < frames.length && !frames[end].getClassName().startsWith(OWN)) {
            end++;
        }
        while (end > 0 && end < frames.length && isReflection(frames[end - 1])) {
            end--;
        }
        if (end < frames.length) {
            StackTraceElement[] kept = new StackTraceElement[end];
            System.arraycopy(frames, 0, kept, 0, end);
            error.setStackTrace(kept);
        }
        cut(error.getCause(), seen);
        for (Throwable suppressed : error.getSuppressed()) {
            cut(suppressed, seen);
        }
    }

    private static boolean isReflection(StackTraceElement frame) {
        String name = frame.getClassName();
        return name.startsWith("java.lang.reflect.") || name.startsWith("jdk.internal.reflect.")
                || name.startsWith("sun.reflect.") || name.startsWith("java.lang.invoke.");
    }
}
