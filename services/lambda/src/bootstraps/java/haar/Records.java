package haar;

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;

/** Records, by reflection: this code also runs where there are none. */
final class Records {
    private Records() {}

    /** The names of a record's components; null for any other class. */
    static List<String> components(Class<?> type) throws Exception {
        if (!isRecord(type)) {
            return null;
        }
        List<String> names = new ArrayList<>();
        for (Object component : parts(type)) {
            names.add((String) ask(component, "getName"));
        }
        return names;
    }

    /** The constructor that takes all components. */
    static Constructor<?> constructor(Class<?> type) throws Exception {
        List<Class<?>> types = new ArrayList<>();
        for (Object component : parts(type)) {
            types.add((Class<?>) ask(component, "getType"));
        }
        Constructor<?> constructor = type.getDeclaredConstructor(types.toArray(new Class<?>[0]));
        constructor.setAccessible(true);
        return constructor;
    }

    private static boolean isRecord(Class<?> type) {
        Class<?> parent = type.getSuperclass();
        return parent != null && parent.getName().equals("java.lang.Record");
    }

    private static Object[] parts(Class<?> type) throws Exception {
        return (Object[]) ask(type, "getRecordComponents");
    }

    private static Object ask(Object of, String name) throws Exception {
        Method method = of.getClass().getMethod(name);
        return method.invoke(of);
    }
}
