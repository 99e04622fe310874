package haar;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;

/** A method of the function's, and how its arguments are made from an event. */
final class Handler {
    private static final byte[] NULL = {'n', 'u', 'l', 'l'};

    private final Method method;
    private final Object instance;
    /** What each argument is: a type of the event's, or one of the marks below. */
    private final Type[] arguments;
    private final boolean answers;

    /** The context object. */
    static final Type CONTEXT = new Mark();
    /** The event as it came. */
    static final Type IN = new Mark();
    /** Where the answer is written. */
    static final Type OUT = new Mark();

    private static final class Mark implements Type {}

    Handler(Method method, Object instance, Type[] arguments, boolean answers) {
        this.method = method;
        this.instance = instance;
        this.arguments = arguments;
        this.answers = answers;
    }

    /** Runs the method once. */
    byte[] call(byte[] event, Object context) throws Throwable {
        ByteArrayOutputStream written = null;
        Object[] values = new Object[arguments.length];
        for (int i = 0; i < values.length; i++) {
            if (arguments[i] == CONTEXT) {
                values[i] = context;
            } else if (arguments[i] == IN) {
                values[i] = (InputStream) new ByteArrayInputStream(event);
            } else if (arguments[i] == OUT) {
                written = new ByteArrayOutputStream(1024);
                values[i] = (OutputStream) written;
            } else {
                values[i] = read(event, arguments[i]);
            }
        }
        Object result;
        try {
            result = method.invoke(instance, values);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
        return written != null ? written.toByteArray() : answers ? write(result) : NULL;
    }

    private static Object read(byte[] event, Type type) {
        try {
            return JsonBinder.bind(Json.parse(new String(event, StandardCharsets.UTF_8)), type);
        } catch (Throwable e) {
            throw new RuntimeException("An error occurred during JSON parsing", e);
        }
    }

    private static byte[] write(Object result) {
        try {
            return JsonWriter.write(result).getBytes(StandardCharsets.UTF_8);
        } catch (Throwable e) {
            throw new RuntimeException("An error occurred during JSON serialization of response", e);
        }
    }
}
