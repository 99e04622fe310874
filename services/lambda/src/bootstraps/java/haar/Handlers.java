package haar;

import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Finds a handler by its name. AWS docs: *Define Lambda function handler in Java*. */
final class Handlers {
    private static final String CORE = "com.amazonaws.services.lambda.runtime.";

    private final ClassLoader loader;
    private final Class<?> context;
    private final Class<?> requestHandler;
    private final Class<?> streamHandler;

    Handlers(ClassLoader loader) {
        this.loader = loader;
        context = core("Context");
        requestHandler = core("RequestHandler");
        streamHandler = core("RequestStreamHandler");
    }

    /** A class of the library that functions bring along; null when this one does not. */
    Class<?> core(String name) {
        try {
            return Class.forName(CORE + name, false, loader);
        } catch (ClassNotFoundException | LinkageError e) {
            return null;
        }
    }

    /** The handler of this name: `package.Class` or `package.Class::method`. */
    Handler find(String name) throws Failure {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String method = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || method != null && method.isEmpty()) {
            throw Failure.unusable("Invalid handler: `" + name + "'", null, false);
        }
        Class<?> type;
        try {
            type = Class.forName(className, true, loader);
        } catch (ClassNotFoundException e) {
            throw Failure.unusable("Class not found: " + className, e, false);
        } catch (NoClassDefFoundError e) {
            throw Failure.unusable(loading(className, e), e, false);
        } catch (Throwable e) {
            throw Failure.unusable(loading(className, e), e, true);
        }
        return method == null ? ofInterface(type) : ofMethod(type, method);
    }

    private static String loading(String className, Throwable error) {
        String more = error.getMessage() == null ? "" : ": " + error.getMessage();
        return "Error loading class " + className + more;
    }

    private Handler ofInterface(Class<?> type) throws Failure {
        if (streamHandler != null && streamHandler.isAssignableFrom(type)) {
            Method method = only(streamHandler);
            Type[] arguments = {Handler.IN, Handler.OUT, Handler.CONTEXT};
            return new Handler(method, instance(type), arguments, false);
        }
        if (requestHandler != null && requestHandler.isAssignableFrom(type)) {
            Type[] types = parameters(type, requestHandler);
            if (types == null) {
                throw Failure.unusable("Class " + type.getName() + " does not implement "
                        + "RequestHandler with concrete type parameters", null, false);
            }
            Type[] arguments = {types[0], Handler.CONTEXT};
            return new Handler(only(requestHandler), instance(type), arguments, !isVoid(types[1]));
        }
        throw Failure.unusable("Class does not implement an appropriate handler interface: "
                + type.getName(), null, false);
    }

    private static Method only(Class<?> contract) {
        for (Method method : contract.getMethods()) {
            if (method.getName().equals("handleRequest")) {
                method.setAccessible(true);
                return method;
            }
        }
        throw new IllegalStateException(contract + " has no handleRequest");
    }

    private static boolean isVoid(Type type) {
        return type == void.class || type == Void.class;
    }

    /** The longest of the methods of this name that fits, one with a context before another. */
    private Handler ofMethod(Class<?> type, String name) throws Failure {
        List<Method> methods = new ArrayList<>();
        try {
            for (Method method : type.getMethods()) {
                if (method.getName().equals(name)) {
                    methods.add(method);
                }
            }
        } catch (NoClassDefFoundError e) {
            String text = "Error loading method " + name + " on class " + type.getName();
            throw Failure.unusable(text, e, false);
        }
        methods.sort(Comparator.comparing(Method::isBridge).thenComparing(m -> -weight(m)));
        for (Method method : methods) {
            Type[] arguments = arguments(method);
            if (arguments != null) {
                boolean isStatic = Modifier.isStatic(method.getModifiers());
                method.setAccessible(true);
                boolean answers = !isVoid(method.getGenericReturnType());
                return new Handler(method, isStatic ? null : instance(type), arguments, answers);
            }
        }
        throw Failure.unusable("No public method named " + name
                + " with appropriate method signature found on class " + type.getName(), null, false);
    }

    private int weight(Method method) {
        Class<?>[] types = method.getParameterTypes();
        boolean takesContext = types.length > 0 && isContext(types[types.length - 1]);
        return types.length + (takesContext ? 1 : 0);
    }

    private boolean isContext(Type type) {
        return context != null && type == context;
    }

    /** What the arguments of a method are; null when it cannot be a handler. */
    private Type[] arguments(Method method) {
        Type[] types = method.getGenericParameterTypes();
        Type[] arguments = new Type[types.length];
        StringBuilder shape = new StringBuilder();
        for (int i = 0; i < types.length; i++) {
            boolean isIn = types[i] == InputStream.class;
            boolean isOut = types[i] == OutputStream.class;
            boolean isContext = isContext(types[i]);
            arguments[i] = isIn ? Handler.IN : isOut ? Handler.OUT
                    : isContext ? Handler.CONTEXT : types[i];
            shape.append(isIn ? 'i' : isOut ? 'o' : isContext ? 'c' : 'e');
        }
        return shape.toString().matches("|[ioe]c?|c|ioc?") ? arguments : null;
    }

    private static Object instance(Class<?> type) throws Failure {
        Constructor<?> constructor;
        try {
            constructor = type.getConstructor();
        } catch (NoSuchMethodException e) {
            boolean isInner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            String text = isInner
                    ? " cannot be instantiated because it is a non-static inner class"
                    : " has no public zero-argument constructor";
            throw Failure.unusable(new Exception("Class " + type.getName() + text, isInner ? null : e), false);
        }
        try {
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (InvocationTargetException e) {
            throw Failure.unusable(e.getCause() == null ? e : e.getCause(), true);
        } catch (Throwable e) {
            throw Failure.unusable(e, true);
        }
    }

    /** What a class fills an interface's type parameters with; null when it leaves them open. */
    private static Type[] parameters(Class<?> type, Class<?> contract) {
        Map<TypeVariable<?>, Type> known = new LinkedHashMap<>();
        gather(type, known);
        TypeVariable<?>[] variables = contract.getTypeParameters();
        Type[] found = new Type[variables.length];
        for (int i = 0; i < found.length; i++) {
            Type filled = variables[i];
            while (filled instanceof TypeVariable && known.containsKey(filled)) {
                filled = known.get(filled);
            }
            if (filled instanceof TypeVariable) {
                filled = ((TypeVariable<?>) filled).getBounds()[0];
                if (filled == Object.class) {
                    return null;
                }
            }
            found[i] = filled;
        }
        return found;
    }

    private static void gather(Type type, Map<TypeVariable<?>, Type> known) {
        if (type == null) {
            return;
        }
        Class<?> raw = type instanceof Class ? (Class<?>) type
                : (Class<?>) ((ParameterizedType) type).getRawType();
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            for (int i = 0; i < arguments.length; i++) {
                known.putIfAbsent(raw.getTypeParameters()[i], arguments[i]);
            }
        }
        for (Type above : raw.getGenericInterfaces()) {
            gather(above, known);
        }
        gather(raw.getGenericSuperclass(), known);
    }
}
